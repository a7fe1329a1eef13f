/* Another file with a function of the same name. */
int elsewhere(int n);

static __attribute__((noinline)) int hidden(int n)
{
	__asm__ volatile("");
	return 2 * n;
}

int exit_of(int n)
{
	return hidden(n);
}

int versioned_first(int n)
{
	return n;
}

int versioned_second(int n)
{
	return n + 1;
}

__asm__(".symver versioned_first, versioned@VERS_1");
__asm__(".symver versioned_second, versioned@@VERS_2");
