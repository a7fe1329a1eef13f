/* A library with functions and a USDT probe with a semaphore. */
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

__attribute__((section(".probes"))) unsigned short shop_sale_semaphore;

__attribute__((noinline)) int sell(int amount, long customer)
{
	volatile short stock = -2;

	/* Nobody prepares arguments for nobody. */
	if (shop_sale_semaphore)
		STAP_PROBE3(shop, sale, amount, customer, stock);
	return 2 * amount;
}

__attribute__((noinline)) int restock_shelf(int amount)
{
	volatile int shelf = amount;

	return shelf;
}
