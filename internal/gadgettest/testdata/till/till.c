/*
 * Sells at every SIGUSR1: till [LIBRARY], where LIBRARY is opened at the first one.
 * With TILL_NOW it begins with a sale. It says when it is ready.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef LINKED
int sell(int amount, long customer);
int restock_shelf(int amount);
#else
#include <dlfcn.h>
#endif

int main(int argc, char **argv)
{
	int (*seller)(int, long) = NULL;
	int (*restock)(int) = NULL;
	int signal;
	sigset_t set;

	(void)argc;
	(void)argv;
#ifdef LINKED
	seller = sell;
	restock = restock_shelf;
	if (getenv("TILL_NOW"))
		seller(1, 1);
#endif
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (write(1, "ready\n", 6) != 6)
		return 1;
	for (;;) {
		sigwait(&set, &signal);
#ifndef LINKED
		if (!seller) {
			void *library = dlopen(argv[1], RTLD_NOW);

			if (!library)
				return 1;
			seller = (int (*)(int, long))dlsym(library, "sell");
			restock = (int (*)(int))dlsym(library, "restock_shelf");
		}
#endif
		seller(7, 0x123456789);
		restock(3);
	}
}
