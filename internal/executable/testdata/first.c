/* Functions and probes to look up. Nothing here is meant to be run. */
int answer = 42;

static __attribute__((noinline)) int hidden(int n)
{
	__asm__ volatile("");
	return n + answer;
}

int entrance(int n)
{
	return hidden(n);
}

int trance(int n)
{
	return hidden(n) - 1;
}

static int one(void)
{
	return 1;
}

static void *choose(void)
{
	return one;
}

int chosen(void) __attribute__((ifunc("choose")));

__attribute__((section(".probes"))) unsigned short shop_sale_semaphore;

/* What sys/sdt.h makes of STAP_PROBE2(shop, sale, 7, n). */
#define SALE                                                        \
	__asm__ volatile("990: nop\n"                               \
			 ".pushsection .note.stapsdt, \"\", \"note\"\n" \
			 ".balign 4\n"                              \
			 ".4byte 992f-991f, 994f-993f, 3\n"         \
			 "991: .asciz \"stapsdt\"\n"                \
			 "992: .balign 4\n"                         \
			 "993: .8byte 990b\n"                       \
			 ".8byte _.stapsdt.base\n"                  \
			 ".8byte shop_sale_semaphore\n"             \
			 ".asciz \"shop\"\n"                        \
			 ".asciz \"sale\"\n"                        \
			 ".asciz \"-4@$7 8@%rdi\"\n"                \
			 "994: .balign 4\n"                         \
			 ".popsection\n"                            \
			 ".ifndef _.stapsdt.base\n"                 \
			 ".pushsection .stapsdt.base, \"aG\", \"progbits\", .stapsdt.base, comdat\n" \
			 ".weak _.stapsdt.base\n"                   \
			 ".hidden _.stapsdt.base\n"                 \
			 "_.stapsdt.base: .space 1\n"               \
			 ".popsection\n"                            \
			 ".endif\n")

void sell(long n)
{
	SALE;
	if (n)
		SALE;
}
