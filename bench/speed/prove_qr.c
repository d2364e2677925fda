/*
 * Quern's QR engine against libqrencode on random inputs, and the PNG of every 49th against libpng's.
 *
 *   prove_qr [COUNT [SEED]]   1,000,000 inputs, seed 1
 *
 * One process a CPU. Prints each difference with all that is needed to see it again, how often versions and levels were
 * met, and "N inputs, D differences" at the end. Exits with 1 if there was a difference or a version was never met, with
 * 2 for wrong usage.
 */
#include "bench/speed/qr_compare.h"
#include "bench/speed/qr_pictures.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define INPUTS 1000000
#define PICTURE_EVERY                                                                              \
	49 /* has no factor in common with the 8 x 160 of qr_inputs.h: all versions get their turn */
#define SMALL_PICTURE                                                                              \
	1000	       /* pixels; most are not wider, as decoding takes much longer than writing */
#define LARGE_EVERY 40 /* of the pictures */
#define SHARE 16       /* inputs that a process takes at a time */
#define CPUS_MOST 256
#define MANY_DIFFERENCES 20 /* then it is no use to go on */
#define PROGRESS_S 10

/* Shared by all processes. */
struct proof {
	uint64_t inputs, seed;
	_Atomic uint64_t next, done, differences, read_back, pictures;
	_Atomic uint64_t seen[QR_VERSIONS + 1][4];
};

/* What a process has for itself. */
static struct qr_comparison comparison;
static struct buffer own_png, reference_png;

static const struct qr_color colors[] = {
	{0, 0, 0, 255}, {255, 255, 255, 255}, {200, 16, 46, 255}, {10, 200, 30, 77}, {0, 0, 0, 0}};

static struct qr_color any_color(struct random *r)
{
	return colors[random_below(r, sizeof(colors) / sizeof(colors[0]))];
}

/* Half of them black on white, three quarters at a whole scale. */
static void choose_picture(struct qr_picture *ret, const struct qr_symbol *s, struct random *r)
{
	const unsigned most = random_below(r, LARGE_EVERY) ? SMALL_PICTURE : QR_MAX_PIXELS;
	int error;

	do {
		const unsigned margin = (unsigned)random_below(r, 9);
		const unsigned scale = 1 + (unsigned)random_below(r, 20);
		const unsigned size = random_below(r, 4) ? 0 : 21 + (unsigned)random_below(r, most);

		error = qr_picture_layout(ret, s->width, margin, scale, size);
	} while (error || ret->width > most);
	ret->dark = colors[0];
	ret->light = colors[1];
	if (random_below(r, 2)) {
		ret->dark = any_color(r);
		ret->light = any_color(r);
	}
}

static void compare_picture(struct proof *p, uint64_t number)
{
	struct qr_picture picture;
	struct random r;
	const char *wrong;

	random_init(&r, p->seed + 1, number);
	choose_picture(&picture, &comparison.own, &r);
	wrong = qr_compare_pictures(&comparison.own, &picture, &own_png, &reference_png);
	p->pictures++;
	if (!wrong)
		return;
	fprintf(stderr, "picture of %u pixels, margin %u, scale %u, offset %u: ", picture.width,
		picture.margin, picture.scale, picture.offset);
	comparison.wrong = wrong;
	qr_comparison_print(&comparison);
	p->differences++;
}

static void compare_number(struct proof *p, uint64_t number)
{
	qr_input_make(&comparison.input, p->seed, number);
	if (!qr_compare(&comparison)) {
		qr_comparison_print(&comparison);
		p->differences++;
	} else {
		p->seen[comparison.fit.version][comparison.fit.options.level]++;
		p->read_back += comparison.read_back;
		if (number % PICTURE_EVERY == 0)
			compare_picture(p, number);
	}
	p->done++;
}

static void work(struct proof *p)
{
	uint64_t first;

	while ((first = atomic_fetch_add(&p->next, SHARE)) < p->inputs)
		for (uint64_t i = first; i < first + SHARE && i < p->inputs; i++)
			if (p->differences < MANY_DIFFERENCES)
				compare_number(p, i);
	buffer_done(&own_png);
	buffer_done(&reference_png);
}

static unsigned count_cpus(void)
{
	cpu_set_t set;
	int n;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	n = CPU_COUNT(&set);
	return n < CPUS_MOST ? (unsigned)n : CPUS_MOST;
}

/* Returns how many processes there are. */
static unsigned start(struct proof *p)
{
	const unsigned cpus = count_cpus();
	unsigned started = 0;

	for (; started < cpus; started++) {
		pid_t pid = fork();

		if (pid < 0)
			break;
		if (pid == 0) {
			work(p);
			_exit(0);
		}
	}
	return started;
}

static void print_progress(const struct proof *p)
{
	printf("%s%llu of %llu inputs, %llu differences%s", isatty(STDOUT_FILENO) ? "\r" : "",
		(unsigned long long)p->done, (unsigned long long)p->inputs,
		(unsigned long long)p->differences, isatty(STDOUT_FILENO) ? "" : "\n");
	(void)fflush(stdout);
}

/* True if all of them ended well. */
static bool await(const struct proof *p, unsigned processes)
{
	bool good = processes > 0;

	for (unsigned ticks = 0; processes > 0;) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid > 0) {
			processes--;
			good &= status == 0;
		} else if (pid < 0 && errno != EINTR) {
			return false;
		} else {
			(void)usleep(100000);
			if (++ticks % (10 * PROGRESS_S) == 0)
				print_progress(p);
		}
	}
	return good;
}

/* Coverage: of all versions and levels. Returns the least count. */
static uint64_t print_coverage(const struct proof *p)
{
	uint64_t least_of_all = UINT64_MAX;

	printf("inputs of a version: least, most\n");
	for (unsigned level = 0; level < 4; level++) {
		unsigned least = 1, most = 1;

		for (unsigned v = 2; v <= QR_VERSIONS; v++) {
			least = p->seen[v][level] < p->seen[least][level] ? v : least;
			most = p->seen[v][level] > p->seen[most][level] ? v : most;
		}
		printf("  level %c: %llu (version %u), %llu (version %u)\n", "LMQH"[level],
			(unsigned long long)p -> seen[least][level], least,
			(unsigned long long)p -> seen[most][level], most);
		if (p->seen[least][level] < least_of_all)
			least_of_all = p->seen[least][level];
	}
	return least_of_all;
}

static int conclude(const struct proof *p, bool good)
{
	const uint64_t least = print_coverage(p);

	printf("%llu read back, because libqrencode sets 16 bits more aside for an ECI header\n",
		(unsigned long long)p->read_back);
	printf("%llu pictures\n", (unsigned long long)p->pictures);
	if (!good)
		fprintf(stderr, "prove_qr: a process failed\n");
	if (least == 0)
		fprintf(stderr, "prove_qr: too few inputs to meet every version and level\n");
	printf("%llu inputs, %llu differences\n", (unsigned long long)p->done,
		(unsigned long long)p->differences);
	return good && least > 0 && p->done == p->inputs && p->differences == 0 ? 0 : 1;
}

static bool read_number(const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
}

int main(int argc, char **argv)
{
	struct proof *p =
		mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("prove_qr");
		return 1;
	}
	p->inputs = INPUTS;
	p->seed = 1;
	if (argc > 3 || (argc > 1 && !read_number(argv[1], &p->inputs)) ||
		(argc > 2 && !read_number(argv[2], &p->seed))) {
		fprintf(stderr, "usage: prove_qr [COUNT [SEED]]\n");
		return 2;
	}
	return conclude(p, await(p, start(p)));
}
