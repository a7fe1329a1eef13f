/* Sells ten times a second for twenty seconds, without a C library. */
#if defined(__x86_64__)
#define SYS_NANOSLEEP 35
#define SYS_EXIT 60
static long call(long number, long a, long b)
{
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b) : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
#define SYS_NANOSLEEP 101
#define SYS_EXIT 93
static long call(long number, long a, long b)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1) : "memory");
	return x0;
}
#endif

/* What sys/sdt.h makes of STAP_PROBE2(shop, sale, amount, customer). */
#define SALE(amount, customer)                                                                      \
	__asm__ volatile("990: nop\n"                                                               \
			 ".pushsection .note.stapsdt, \"\", \"note\"\n"                             \
			 ".balign 4\n"                                                              \
			 ".4byte 992f-991f, 994f-993f, 3\n"                                         \
			 "991: .asciz \"stapsdt\"\n"                                                \
			 "992: .balign 4\n"                                                         \
			 "993: .8byte 990b\n"                                                       \
			 ".8byte 0\n"                                                               \
			 ".8byte 0\n"                                                               \
			 ".asciz \"shop\"\n"                                                        \
			 ".asciz \"sale\"\n"                                                        \
			 ".asciz \"-4@%0 8@%1\"\n"                                                  \
			 "994: .balign 4\n"                                                         \
			 ".popsection\n"                                                            \
			 :                                                                          \
			 : "nor"(amount), "nor"(customer))

__attribute__((noinline)) int sell(int amount, long customer)
{
	SALE(amount, customer);
	return 2 * amount;
}

__attribute__((noinline)) int restock(int amount)
{
	__asm__ volatile("");
	return amount;
}

__attribute__((used)) void run(void)
{
	long tenth[2] = {0, 100000000};
	int i;

	for (i = 0; i < 200; i++) {
		sell(7, 0x123456789);
		restock(3);
		call(SYS_NANOSLEEP, (long)tenth, 0);
	}
	call(SYS_EXIT, 0, 0);
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start: and $-16, %rsp\ncall run\n");
#else
__asm__(".globl _start\n_start: bl run\n");
#endif
