/* Chapters: what is read of a file, every mistake told with its place, and the verdicts that lines of results give. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/chapter/chapter.h"
#include "bench/chapter/figure.h"
#include "bench/chapter/judgement.h"
#include "bench/chapter/summary.h"
#include "bench/chapter/table.h"
#include "bench/chapter/variables.h"
#include "quoted.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[] = "/tmp/quern-test-XXXXXX";
static char path[64];

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	(void)snprintf(path, sizeof path, "%s/a-chapter.json", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(directory);
}

static int read_text(struct chapter *c, const char *text, bool full, struct buffer *errors)
{
	write_quoted(path, text);
	return chapter_read(c, path, full, errors);
}

#define HEAD "{'title': 't', 'claim': 'c', "
#define MIX                                                                                        \
	"'mix': [{'name': 'cheap', 'line': '9 GET /qr?text={text:20}'}, '1 GET /lab/sleep?us=1']"
#define TWO                                                                                        \
	"'load': {'rate': 100, 'duration': '2s', 'full_requests': 7, " MIX "}, 'stages': ["        \
	"{'name': 'one', 'title': 'The first', 'server': {'quern': {'workers': 2, 'balancer': "    \
	"'haproxy', 'set': {'lab.redis': '${REDIS_PORT}'}}}, 'services': ['redis', {'name': "      \
	"'delay', 'env': {'DELAY_MS': '2'}}]}, {'name': 'two', 'server': {'peer': 'express', "     \
	"'same_core': false}, 'load': {'steps': [{'busy': 0.5}, {'of': 'capacity', 'stage': "      \
	"'one', 'share': 0.7}, {'of': 'rate', 'stage': 'one'}]}}]"

static void test_stages_and_what_they_share(void **state)
{
	struct chapter c;
	struct buffer errors;

	(void)state;
	buffer_init(&errors);
	const int result = read_text(&c, HEAD TWO "}", false, &errors);
	if (result != 0)
		fail_msg("%s", buffer_cstring(&errors));
	assert_string_equal(c.name, "a-chapter");
	assert_int_equal(c.repeat, 3);
	assert_int_equal(c.stages, 2);
	const struct chapter_stage *one = &c.stage[0], *two = &c.stage[1];
	assert_string_equal(one->title, "The first");
	assert_string_equal(two->title, "two");
	assert_int_equal(one->server.workers, 2);
	assert_int_equal(one->server.policy.kind, POLICY_RR);
	assert_true(one->server.same_core && !two->server.same_core);
	assert_int_equal(one->services, 2);
	assert_string_equal(one->service[1].name, "delay");
	assert_string_equal(two->server.peer, "express");
	assert_true(one->load.seconds == 2 && one->load.requests == 0);
	assert_int_equal(one->load.rates, 1);
	assert_int_equal(one->load.rate[0].kind, CHAPTER_RATE_GIVEN);
	assert_true(one->load.emulated);
	assert_string_equal(one->load.name[0], "cheap");
	assert_null(one->load.name[1]);
	/* A stage that has steps does not have the rate of all. */
	assert_int_equal(two->load.rates, 3);
	assert_int_equal(two->load.rate[0].kind, CHAPTER_RATE_BUSY);
	assert_int_equal(two->load.rate[1].kind, CHAPTER_RATE_CAPACITY);
	assert_true(two->load.rate[1].value == 0.7 && two->load.rate[1].stage == 0);
	assert_int_equal(two->load.rate[2].kind, CHAPTER_RATE_SAME);
	chapter_done(&c);
	assert_int_equal(read_text(&c, HEAD TWO "}", true, &errors), 0);
	assert_int_equal(c.stage[0].load.requests, 7);
	chapter_done(&c);
	buffer_done(&errors);
}

static void expect_told(const char *text, const char *told)
{
	struct chapter c;
	struct buffer errors;

	buffer_init(&errors);
	assert_int_equal(read_text(&c, text, false, &errors), -EINVAL);
	const char *said = buffer_cstring(&errors);
	assert_memory_equal(said, path, strlen(path));
	if (!strstr(said, told))
		fail_msg("\"%s\" is not in \"%s\"", told, said);
	chapter_done(&c);
	buffer_done(&errors);
}

#define STAGE(more) HEAD "'stages': [{'name': 's', " more "}]}"
#define QUERN "'server': {'quern': {}}, "
#define LOAD(more) STAGE(QUERN "'load': {'rate': 1, 'mix': ['1 GET /'], " more "}")
#define CLAIM(claim)                                                                               \
	HEAD "'stages': [{'name': 's', " QUERN                                                     \
	     "'load': {'rate': 1, 'mix': [{'name': 'cheap', 'line': '1 GET /'}]}}], 'claims': ["   \
	     "{'say': 'x', " claim "}]}"

static void test_mistakes_are_told_with_their_place(void **state)
{
	static const struct {
		const char *text, *told;
	} cases[] = {
		{"{", ":1:1: "},
		{"{}", ": title: is missing; allowed: a text"},
		{"{}", ": stages: is missing; allowed: a list"},
		{HEAD "'stagse': []}", ": stagse: there is no such key; allowed: title, claim"},
		{HEAD "'stages': [5]}", ": stages[0]: is not allowed; allowed: an object"},
		{HEAD "'stages': [{'name': 'A'}]}",
			": stages[0].name: \"A\" is not allowed; allowed: a-z"},
		{STAGE("'server': {}"), ": stages[0].server: is not allowed; allowed: {\"quern\""},
		{STAGE("'server': {'quern': {'workers': 0}}"),
			": stages[0].server.quern.workers: is not allowed; allowed: a whole number "
			"from 1 to 64"},
		{STAGE("'server': {'quern': {'policy': 'random'}}"),
			": stages[0].server.quern.policy: is not allowed without"},
		{STAGE("'server': {'quern': {'set': {'a.b': []}}}"),
			": stages[0].server.quern.set.a.b: is not allowed"},
		{STAGE("'server': {'peer': 'go', 'quern': {}}"), ": stages[0].server: is not"},
		{STAGE(QUERN "'services': ['Redis']"), ": stages[0].services[0]: is not allowed"},
		{STAGE(QUERN "'load': {}"), ": stages[0].load.rate: is missing"},
		{STAGE(QUERN "'load': {}"), ": stages[0].load.mix: is missing"},
		{LOAD("'steps': [1]"), ": stages[0].load.steps: is not allowed beside rate"},
		{LOAD("'duration': 5"), ": stages[0].load.duration: is not allowed; allowed: a "
					"duration with its unit"},
		{LOAD("'duration': '5s', 'requests': 5"), ": stages[0].load.requests: is not"},
		{LOAD("'arrivals': 'never'"), ": stages[0].load.arrivals: is not allowed"},
		{LOAD("'errors': 2"), ": stages[0].load.errors: is not allowed; allowed: a number "
				      "from 0 to 1"},
		{STAGE(QUERN "'load': {'rate': {'busy': 1}, 'mix': ['1 GET /']}"),
			": stages[0].load.rate.busy: is not allowed"},
		{STAGE(QUERN "'load': {'rate': {'of': 'rate', 'stage': 's'}, 'mix': ['1 GET /']}"),
			": stages[0].load.rate.stage: \"s\" is not allowed; allowed: a stage "
			"before"},
		{STAGE(QUERN "'load': {'rate': {'of': 'capacity', 'stage': 'x'}, 'mix': ['1 GET "
			     "/']}"),
			": stages[0].load.rate.stage: there is no stage \"x\""},
		{STAGE(QUERN "'load': {'rate': 0, 'mix': ['x GET /']}"),
			": stages[0].load.rate: is not allowed; allowed: requests a second"},
		{STAGE(QUERN "'load': {'rate': 0, 'mix': ['x GET /']}"),
			": stages[0].load.mix[0]: line:1:1: "},
		{STAGE(QUERN "'load': {'rate': 1, 'mix': [{'name': 'loop', 'line': '1 GET /'}]}"),
			": stages[0].load.mix[0].name: \"loop\" is not allowed: a figure is "
			"called so"},
		{LOAD("'rate': 1}, 'samples': {'loop': 'x'"), "duplicate"},
		{STAGE(QUERN "'samples': {'loop': 'x', 'probe': {'line': '1 GET /'}}"),
			": stages[0].samples.probe.fields: is missing"},
		{STAGE(QUERN "'samples': {'loop': 'x'}"), ": stages[0].samples.loop: \"x\" is not"},
		{STAGE(QUERN "'samples': {'pages': [{'name': 'p', 'url': 'file:'}]}"),
			": stages[0].samples.pages[0].url: \"file:\" is not allowed"},
		{CLAIM("'value': 's.p99'"), ": claims[0]: has neither at_most nor at_least"},
		{CLAIM("'value': 't.p99', 'at_most': 1"),
			": claims[0].value: \"t.p99\": there is no stage \"t\""},
		{CLAIM("'value': 's@1.p99', 'at_most': 1"), "the stage has no such step"},
		{CLAIM("'value': 's.p98', 'at_most': 1"), "there is no figure \"p98\"; allowed: "},
		{CLAIM("'value': 's.cheap.busy', 'at_most': 1"),
			"there is no figure \"busy\" of a template"},
		{CLAIM("'left': 's.p99', 'ratio': {'at_most': 1}"),
			": claims[0].right: is missing"},
		{CLAIM("'left': 's.p99', 'right': 's.p50', 'ratio': {'at_mots': 1}"),
			": claims[0].ratio.at_mots: there is no such key"},
		{CLAIM("'value': 's.p99', 'at_most': 1, 'any': []"),
			": claims[0]: is not allowed; allowed: an object with one of value"},
		{CLAIM("'all': [{'any': []}]"), ": claims[0].all[0]: is not allowed; allowed in a "
						"part"},
		{HEAD TWO ", 'plots': [{'kind': 'bars', 'title': 't', 'template': 'dear'}]}",
			": plots[0].template: no stage of it has a template \"dear\""},
		{HEAD TWO ", 'plots': [{'kind': 'pie', 'title': 't', 'stages': ['x']}]}",
			": plots[0].stages[0]: there is no stage \"x\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		expect_told(cases[i].text, cases[i].told);
}

/* --- figures and variables ------------------------------------------------------------------------------------- */

static void add(void *own, double number)
{
	*(double *)own += number;
}

static void test_numbers_at_a_path(void **state)
{
	json_t *v = json_loads(
		"{\"a\": [{\"b\": 1}, {\"b\": 2}, {}], \"c\": {\"x\": 3, \"y\": 4}}", 0, NULL);
	double sum = 0;

	(void)state;
	assert_int_equal(figure_each(v, "a.*.b", add, &sum), 2);
	assert_true(sum == 3);
	assert_int_equal(figure_each(v, "c.*", add, &sum), 2);
	assert_true(sum == 10);
	assert_true(figure_at(v, "a[1].b") == 2);
	assert_true(figure_at(v, "a.0.b") == 1);
	assert_true(isnan(figure_at(v, "a.9.b")) && isnan(figure_at(v, "c")) &&
		    isnan(figure_at(v, "c.z")));
	json_decref(v);
}

static void test_variables(void **state)
{
	struct variables v = {.count = 0};
	struct buffer text, error;

	(void)state;
	buffer_init(&text);
	buffer_init(&error);
	assert_int_equal(variables_set_port(&v, "redis-history", "PORT", 1234), 0);
	assert_int_equal(variables_set_port(&v, "", "PORT", 1), 0);
	assert_int_equal(variables_set_port(&v, "", "PORT", 2), 0);
	assert_int_equal(v.count, 2);
	assert_int_equal(
		variables_replace(&v, "127.0.0.1:${REDIS_HISTORY_PORT}/${PORT}$", &text, &error),
		0);
	assert_string_equal(buffer_cstring(&text), "127.0.0.1:1234/2$");
	assert_int_equal(variables_replace(&v, "${DELAY_PORT}", &text, &error), -EINVAL);
	assert_non_null(strstr(buffer_cstring(&error),
		"there is no variable ${DELAY_PORT}; known: REDIS_HISTORY_PORT"));
	buffer_done(&text);
	buffer_done(&error);
}

/* --- verdicts -------------------------------------------------------------------------------------------------- */

#define PAIR                                                                                       \
	HEAD "'load': {'rate': 1, 'mix': ['1 GET /']}, 'stages': [{'name': 'a', 'server': "        \
	     "{'quern': {}}}, "                                                                    \
	     "{'name': 'b', 'server': {'quern': {}}}], 'claims': [{'say': 'It is so', "

static void add_line(
	json_t *lines, const char *stage, int repetition, double p99, const char *void_reason)
{
	assert_int_equal(json_array_append_new(lines,
				 json_pack("{s:s, s:s, s:i, s:i, s:{s:f}, s:s?}", "kind", "load",
					 "stage", stage, "repetition", repetition, "step", 0,
					 "latency_ms", "p99", p99, "void", void_reason)),
		0);
}

/* The verdict on p99 of a and b in each repetition. A p99 below 0 is void. */
static enum judgement_kind judge(
	const char *claim, const double (*pair)[2], int n, struct buffer *said)
{
	struct chapter c;
	struct buffer errors;
	struct judgement j;
	json_t *lines = json_array();
	char text[2000];

	buffer_init(&errors);
	(void)snprintf(text, sizeof text, "%s%s}]}", PAIR, claim);
	if (read_text(&c, text, false, &errors) != 0)
		fail_msg("%s", buffer_cstring(&errors));
	for (int i = 0; i < n; i++) {
		add_line(lines, "a", i, fabs(pair[i][0]),
			pair[i][0] < 0 ? "the cat slept on it" : NULL);
		add_line(lines, "b", i, fabs(pair[i][1]),
			pair[i][1] < 0 ? "the cat slept on it" : NULL);
	}
	judgement_make(&j, &c, &c.claims[0], lines);
	const enum judgement_kind kind = j.kind;
	buffer_append(said, j.reason.data, j.reason.len);
	buffer_append(said, j.figures.data, j.figures.len);
	json_t *json = judgement_json(&j);
	assert_string_equal(
		json_string_value(json_object_get(json, "verdict")), judgement_words[kind]);
	json_decref(json);
	judgement_done(&j);
	json_decref(lines);
	chapter_done(&c);
	buffer_done(&errors);
	return kind;
}

#define RATIO "'left': 'a.p99', 'right': 'b.p99', 'ratio': {'at_most': 0.2}"

static void test_verdicts(void **state)
{
	static const double clear[][2] = {{1, 10}, {2, 11}, {1.5, 12}};
	static const double against[][2] = {{5, 10}, {6, 11}, {7, 12}};
	static const double mixed[][2] = {{1, 10}, {9, 11}, {1.5, 12}};
	static const double one_void[][2] = {{1, 10}, {-9, 11}, {1.5, 12}};
	static const double all_void[][2] = {{-1, 10}, {2, -11}, {1.5, 12}};
	static const struct {
		const char *claim;
		const double (*pair)[2];
		enum judgement_kind kind;
		const char *said;
	} cases[] = {
		{RATIO, clear, JUDGEMENT_HOLDS,
			"a.p99 / b.p99: 0.1364 by the medians, 0.1 to 0.1818 in 3 repetitions; "
			"wanted: at most "
			"0.2."},
		{RATIO, against, JUDGEMENT_FAILS, "0.5455 by the medians"},
		{RATIO, mixed, JUDGEMENT_UNDECIDED, "0.1 to 0.8182 in 3 repetitions"},
		{RATIO, one_void, JUDGEMENT_HOLDS,
			"1 of 3 repetitions do not count: the cat slept on it"},
		{RATIO, all_void, JUDGEMENT_UNDECIDED,
			"1 of 3 repetitions count; the first of the others: the cat slept on it."},
		{RATIO, all_void, JUDGEMENT_UNDECIDED, "a.p99: 1 (void), 2, 1.5"},
		{"'value': 'a.p99', 'at_least': 1", clear, JUDGEMENT_HOLDS, "wanted: at least 1"},
		{"'value': 'a.p99', 'at_least': 3", clear, JUDGEMENT_FAILS, "a.p99: 1.5 by"},
		{"'value': 'a.p95', 'at_least': 3", clear, JUDGEMENT_UNDECIDED, "no figure a.p95"},
		{"'left': 'a.p99', 'right': 'b.p99', 'difference': {'at_least': -11, 'at_most': 0}",
			clear, JUDGEMENT_HOLDS, "a.p99 - b.p99"},
		{"'left': 'a.p99', 'right': 'b.p99', 'same_sign': true", clear, JUDGEMENT_HOLDS,
			"the same sign"},
		{"'left': 'a.p99', 'right': 'b.p99', 'same_sign': true", mixed, JUDGEMENT_HOLDS,
			"the same sign"},
		{"'all': [{" RATIO "}, {'value': 'a.p99', 'at_most': 0.5}]", clear, JUDGEMENT_FAILS,
			"wanted: at most 0.5"},
		{"'any': [{" RATIO "}, {'value': 'a.p99', 'at_most': 0.5}]", clear, JUDGEMENT_HOLDS,
			"wanted: at most 0.5"},
		{"'any': [{'value': 'a.p99', 'at_most': 1}, {'value': 'a.p95', 'at_most': 0.5}]",
			clear, JUDGEMENT_UNDECIDED, "no figure"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buffer said;

		buffer_init(&said);
		const enum judgement_kind kind = judge(cases[i].claim, cases[i].pair, 3, &said);
		const char *text = buffer_cstring(&said);
		if (kind != cases[i].kind || !strstr(text, cases[i].said))
			fail_msg("%zu: %s, \"%s\"", i, judgement_words[kind], text);
		buffer_done(&said);
	}
}

static void test_the_sign_may_change(void **state)
{
	static const double turned[][2] = {{1, 10}, {12, 11}, {1.5, 12}};
	struct buffer said;

	(void)state;
	buffer_init(&said);
	assert_int_equal(
		judge("'left': 'a.p99', 'right': 'b.p99', 'same_sign': true", turned, 3, &said),
		JUDGEMENT_FAILS);
	buffer_done(&said);
}

static void test_what_could_not_be_run_is_not_measured(void **state)
{
	struct chapter c;
	struct buffer errors, table;
	struct judgement j;
	json_t *lines = json_pack("[{s:s, s:s, s:s}]", "kind", "unable", "stage", "b", "reason",
		"not installed: redis-server");

	(void)state;
	buffer_init(&errors);
	buffer_init(&table);
	assert_int_equal(read_text(&c, PAIR RATIO "}]}", false, &errors), 0);
	add_line(lines, "a", 0, 5, NULL);
	judgement_make(&j, &c, &c.claims[0], lines);
	assert_int_equal(j.kind, JUDGEMENT_NOT_MEASURED);
	assert_string_equal(buffer_cstring(&j.reason), "b: not installed: redis-server.");
	table_text(&c, lines, &table);
	assert_non_null(
		strstr(buffer_cstring(&table), "not measured: not installed: redis-server"));
	judgement_done(&j);
	json_decref(lines);
	chapter_done(&c);
	buffer_done(&errors);
	buffer_done(&table);
}

static void test_summaries_leave_void_ones_out(void **state)
{
	json_t *lines = json_array();
	struct summary s;

	(void)state;
	add_line(lines, "a", 0, 5, NULL);
	add_line(lines, "a", 1, 100, "late");
	add_line(lines, "a", 2, 7, NULL);
	add_line(lines, "b", 0, 3, "late");
	summary_make(&s, lines, "a", 0, "latency_ms.p99");
	assert_true(s.median == 6 && s.low == 5 && s.high == 7 && s.count == 2 && s.voids == 1 &&
		    !s.of_voids);
	summary_make(&s, lines, "b", 0, "latency_ms.p99");
	assert_true(s.median == 3 && s.count == 0 && s.of_voids);
	summary_make(&s, lines, "a", 1, "latency_ms.p99");
	assert_true(isnan(s.median) && s.count == 0 && !s.of_voids);
	json_decref(lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stages_and_what_they_share),
		cmocka_unit_test(test_mistakes_are_told_with_their_place),
		cmocka_unit_test(test_numbers_at_a_path),
		cmocka_unit_test(test_variables),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_the_sign_may_change),
		cmocka_unit_test(test_what_could_not_be_run_is_not_measured),
		cmocka_unit_test(test_summaries_leave_void_ones_out),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
