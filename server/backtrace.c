#include "server/backtrace.h"

#include "lib/clock.h"
#include "lib/log.h"

#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#define FRAMES 32u
#define MODULES 32u
#define NAME_BYTES 48 /* of a module; longer ones are cut */
#define STACK_BYTES 65536u
/* A pipe that can be written to takes this much without blocking (PIPE_BUF); FRAMES lines of the longest names fit. */
#define TEXT_BYTES 4096u
/* All threads together have this long to tell where they are: the watchdog does not wait for long. */
#define THREADS_MS 200

/* A program or library and where it lies. */
struct module {
	uintptr_t base, low, high; /* addresses in it are told from base on */
	char name[NAME_BYTES];
};

/* What the handler needs and cannot find out safely: dladdr(3) takes locks. */
static struct {
	struct module module[MODULES];
	unsigned modules;
	_Alignas(64) char stack[STACK_BYTES];
	int ask; /* the signal that asks a thread where it is; 0: not installed */
	_Atomic pid_t at_work[BACKTRACE_THREADS]; /* 0: it is not */
	_Atomic unsigned told;
} known;

static _Thread_local unsigned own_number;

/* --- when installed */

static void take_name(struct module *m, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	const size_t len = strnlen(name, NAME_BYTES - 1);

	memcpy(m->name, name, len);
	m->name[len] = '\0';
}

static int take_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	if (known.modules == MODULES)
		return 1;

	struct module m = {.base = info->dlpi_addr, .low = UINTPTR_MAX};
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		const uintptr_t low = info->dlpi_addr + p->p_vaddr;
		if (p->p_type != PT_LOAD)
			continue;
		if (low < m.low)
			m.low = low;
		if (low + p->p_memsz > m.high)
			m.high = low + p->p_memsz;
	}
	take_name(&m, *info->dlpi_name ? info->dlpi_name : program_invocation_short_name);
	known.module[known.modules++] = m;
	return 0;
}

/* --- in the handler: nothing but system calls and arithmetic */

struct text {
	size_t len;
	char bytes[TEXT_BYTES];
};

static void put(struct text *t, const char *s)
{
	for (; *s && t->len < TEXT_BYTES; s++)
		t->bytes[t->len++] = *s;
}

/* With zeros in front up to `width` digits. */
static void put_decimal(struct text *t, uint64_t value, unsigned width)
{
	char digits[24];
	char *s = digits + sizeof(digits) - 1;

	*s = '\0';
	for (unsigned n = 0; value > 0 || n < width; n++, value /= 10)
		*--s = (char)('0' + value % 10);
	put(t, s);
}

static void put_hex(struct text *t, uint64_t value)
{
	char digits[20];
	char *s = digits + sizeof(digits) - 1;

	*s = '\0';
	do
		*--s = "0123456789abcdef"[value % 16];
	while ((value /= 16) > 0);
	put(t, s);
}

/* The date of a day counted from 1970-01-01, in years that begin in March (Hinnant, "chrono-compatible low-level date
 * algorithms"). gmtime_r(3) takes a lock. */
static void put_date(struct text *t, uint64_t days)
{
	const uint64_t shifted = days + 719468; /* from 0000-03-01 */
	const uint64_t era = shifted / 146097, day = shifted % 146097;
	const uint64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	const uint64_t of_year = day - (365 * year + year / 4 - year / 100);
	const uint64_t month = (5 * of_year + 2) / 153;
	const bool next_year = month >= 10;

	put_decimal(t, era * 400 + year + next_year, 4);
	put(t, "-");
	put_decimal(t, next_year ? month - 9 : month + 3, 2);
	put(t, "-");
	put_decimal(t, of_year - (153 * month + 2) / 5 + 1, 2);
}

/* What lib/log.h puts before each line. */
static void put_prefix(struct text *t, uint64_t wall_us)
{
	const uint64_t seconds = wall_us / 1000000u;

	put_date(t, seconds / 86400);
	put(t, "T");
	put_decimal(t, seconds / 3600 % 24, 2);
	put(t, ":");
	put_decimal(t, seconds / 60 % 60, 2);
	put(t, ":");
	put_decimal(t, seconds % 60, 2);
	put(t, ".");
	put_decimal(t, wall_us / 1000 % 1000, 3);
	put(t, "Z error ");
	put(t, log_role());
	put(t, ": ");
}

static void put_address(struct text *t, uintptr_t address)
{
	uintptr_t base = 0;

	for (unsigned i = 0; i < known.modules; i++) {
		const struct module *m = &known.module[i];
		if (address >= m->low && address < m->high) {
			base = m->base;
			put(t, m->name);
			put(t, "+");
			break;
		}
	}
	put(t, "0x");
	put_hex(t, address - base);
}

static uintptr_t interrupted_at(const void *context)
{
	const ucontext_t *c = context;

#if defined(__x86_64__)
	return (uintptr_t)c->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (uintptr_t)c->uc_mcontext.pc;
#else
	(void)c;
	return 0;
#endif
}

static void put_frames(struct text *t, uintptr_t at, uint64_t wall_us)
{
	void *frame[FRAMES];
	const int n = backtrace(frame, (int)FRAMES);
	int first = 0;

	/* The innermost ones are this handler and what the kernel calls it through. */
	for (int i = 0; i < n && first == 0; i++)
		if ((uintptr_t)frame[i] == at)
			first = i;
	for (int i = first; i < n; i++) {
		/* Callers are known by where they will go on, which is behind the call, and can be another line. */
		const bool is_return = (uintptr_t)frame[i] != at;

		put_prefix(t, wall_us);
		put(t, "#");
		put_decimal(t, (uint64_t)(i - first), 1);
		put(t, " ");
		put_address(t, (uintptr_t)frame[i] - is_return);
		put(t, "\n");
	}
}

/* A log that takes nothing now gets nothing: the process is not to hang on its way out as well. */
static void write_out(const struct text *t)
{
	struct pollfd log = {.fd = log_descriptor(), .events = POLLOUT};

	if (poll(&log, 1, 0) == 1 && (log.revents & POLLOUT) &&
		write(log.fd, t->bytes, t->len) != (ssize_t)t->len)
		return; /* nobody is left to be told of it */
}

/* In a thread that was asked. */
static void on_ask(int number, siginfo_t *info, void *context)
{
	struct text t = {0};
	const uint64_t wall_us = clock_wall_us();
	(void)number;

	/* Others have no business with this signal. */
	if (info->si_pid != getpid())
		return;
	put_prefix(&t, wall_us);
	put(&t, "its thread ");
	put_decimal(&t, own_number, 1);
	put(&t, " was in a job, and here, innermost frame first:\n");
	put_frames(&t, interrupted_at(context), wall_us);
	write_out(&t);
	atomic_fetch_add(&known.told, 1);
}

/* One after the other. One that takes no signal has nothing to tell. */
static void ask_threads(void)
{
	int left_ms = THREADS_MS;

	for (unsigned i = 0; i < BACKTRACE_THREADS; i++) {
		const pid_t thread = atomic_load(&known.at_work[i]);
		const unsigned told = atomic_load(&known.told);

		if (thread == 0 || tgkill(getpid(), thread, known.ask) != 0)
			continue;
		for (; left_ms > 0 && atomic_load(&known.told) == told; left_ms--)
			(void)poll(NULL, 0, 1);
	}
}

static void on_abort(int number, siginfo_t *info, void *context)
{
	struct text t = {0};
	const uint64_t wall_us = clock_wall_us();
	const bool own = info->si_pid == getpid();

	put_prefix(&t, wall_us);
	put(&t, "SIGABRT from ");
	put(&t, own ? "itself" : "process ");
	if (!own)
		put_decimal(&t, (uint64_t)info->si_pid, 1);
	put(&t, "; it was here, innermost frame first:\n");
	put_frames(&t, interrupted_at(context), wall_us);
	write_out(&t);
	if (!own)
		ask_threads();
	/* Comes when this returns, and is not caught any more (SA_RESETHAND). */
	(void)raise(number);
}

int backtrace_install(void)
{
	const stack_t stack = {.ss_sp = known.stack, .ss_size = sizeof(known.stack)};
	struct sigaction action = {.sa_sigaction = on_abort};
	struct sigaction ask = {.sa_sigaction = on_ask, .sa_flags = SA_SIGINFO | SA_RESTART};
	const int number = SIGRTMIN;
	void *frame[1];

	known.modules = 0;
	(void)dl_iterate_phdr(take_module, NULL);
	/* The first call loads the unwinder and allocates. */
	(void)backtrace(frame, 1);
	action.sa_flags = SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND;
	(void)sigemptyset(&action.sa_mask);
	(void)sigfillset(&ask.sa_mask);
	if (sigaltstack(&stack, NULL) != 0 || sigaction(SIGABRT, &action, NULL) != 0 ||
		sigaction(number, &ask, NULL) != 0)
		return -errno;
	known.ask = number;
	return 0;
}

void backtrace_add_thread(unsigned number)
{
	sigset_t set;

	own_number = number;
	if (known.ask == 0)
		return;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, known.ask);
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void backtrace_set_at_work(bool at_work)
{
	atomic_store(&known.at_work[own_number], at_work ? gettid() : 0);
}
