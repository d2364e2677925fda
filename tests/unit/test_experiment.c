/* Experiment files: what is read, every mistake told with its place, and the cells that come of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/sweep/experiment.h"
#include "bench/sweep/results.h"
#include "bench/sweep/schedule.h"
#include "quoted.h"

#include <errno.h>
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
	(void)snprintf(path, sizeof path, "%s/experiment.json", directory);
	return 0;
}

static int remove_directory(void **state)
{
	char cells[80];

	(void)state;
	(void)snprintf(cells, sizeof cells, "%s/cells.jsonl", directory);
	(void)unlink(cells);
	(void)unlink(path);
	return rmdir(directory);
}

static int read_text(struct experiment *e, const char *text, bool quick, struct buffer *errors)
{
	write_quoted(path, text);
	return experiment_read(e, path, quick, errors);
}

#define HEAD "{'name': 'n', 'title': 't', 'claim': 'c', "
#define GROUP                                                                                      \
	"{'service': 'emulated', 'distribution': 'exp:5ms', 'policies': ['roundrobin', "           \
	"'central(2)'], 'workers': [1, 4], 'utilization': [0.5, 0.9]}"

static void test_groups_and_limits(void **state)
{
	struct experiment e;
	struct buffer errors;

	(void)state;
	buffer_init(&errors);
	assert_int_equal(read_text(&e,
				 HEAD "'groups': [" GROUP "], 'cell': {'seconds': 40, "
				      "'least_seconds': 7, 'warmup_s': 1.5, 'precision': 0.1}}",
				 false, &errors),
		0);
	assert_string_equal(e.name, "n");
	assert_false(e.derived);
	assert_int_equal(e.groups, 1);
	assert_int_equal(e.group[0].service, EXPERIMENT_EMULATED);
	assert_string_equal(e.group[0].distribution, "exp:5ms");
	assert_int_equal(e.group[0].policies, 2);
	assert_int_equal(e.group[0].policy[1].kind, POLICY_CENTRAL_OF);
	assert_int_equal(e.group[0].policy[1].parameter, 2);
	assert_int_equal(e.group[0].workers[1], 4);
	assert_true(e.group[0].utilization[1] == 0.9);
	assert_true(e.cell.seconds == 40 && e.cell.least_seconds == 7);
	assert_true(e.cell.warmup_s == 1.5 && e.cell.precision == 0.1);
	experiment_done(&e);
	buffer_done(&errors);
}

#define WITH_QUICK                                                                                 \
	HEAD "'groups': [" GROUP ", " GROUP "], 'cell': {'seconds': 40, 'precision': 0.05}, "      \
	     "'quick': {'groups': [" GROUP "], 'cell': {'seconds': 12}}}"

static void test_quick_values_take_the_place(void **state)
{
	struct experiment e;
	struct buffer errors;

	(void)state;
	buffer_init(&errors);
	assert_int_equal(read_text(&e, WITH_QUICK, false, &errors), 0);
	assert_int_equal(e.groups, 2);
	assert_true(e.cell.seconds == 40);
	experiment_done(&e);
	assert_int_equal(read_text(&e, WITH_QUICK, true, &errors), 0);
	assert_int_equal(e.groups, 1);
	assert_true(e.cell.seconds == 12);
	assert_true(e.cell.precision == 0.05);
	experiment_done(&e);
	buffer_done(&errors);
}

static void test_derived_has_no_groups(void **state)
{
	struct experiment e;
	struct buffer errors;

	(void)state;
	buffer_init(&errors);
	assert_int_equal(read_text(&e, HEAD "'derived': true}", false, &errors), 0);
	assert_true(e.derived);
	assert_int_equal(e.groups, 0);
	experiment_done(&e);
	assert_int_equal(
		read_text(&e, HEAD "'derived': true, 'groups': [" GROUP "]}", false, &errors),
		-EINVAL);
	buffer_done(&errors);
}

static void test_mistakes_are_told_with_their_place(void **state)
{
#define IN_GROUP(service, more)                                                                    \
	HEAD "'groups': [{'service': '" service "', 'policies': ['roundrobin'], 'workers': [1], "  \
	     "'utilization': [0.5]" more "}]}"
	static const struct {
		const char *text, *told;
	} cases[] = {
		{"{", ":1:1: "},
		{"[]", ": not an object"},
		{"{}", ": name: is missing; allowed: a text"},
		{HEAD "'groups': []}", ": groups: is not allowed; allowed: a list"},
		{HEAD "'groups': [5]}", ": groups[0]: is not allowed; allowed: an object"},
		{HEAD "'grups': []}", ": grups: there is no such key; allowed: name, title"},
		{"{'name': 'A b', 'title': 't', 'claim': 'c', 'derived': true}",
			": name: is not allowed; allowed: a-z"},
		{IN_GROUP("imaginary", ""), "groups[0].service: is not allowed; allowed: one of "
					    "emulated, real, foreign"},
		{IN_GROUP("emulated", ""), "groups[0].distribution: is missing"},
		{IN_GROUP("emulated", ", 'distribution': 'exp:5'"), "groups[0].distribution: "},
		{IN_GROUP("emulated", ", 'distribution': 'exp:5ms', 'mix': ['1 GET /']"),
			"groups[0].mix: is not allowed for \"emulated\""},
		{IN_GROUP("real", ""), "groups[0].mix: is missing"},
		{IN_GROUP("real", ", 'mix': ['1 GET /qr', 'x GET /']"), "groups[0].mix: mix:2:"},
		{HEAD "'groups': [{'service': 'real', 'mix': ['1 GET /'], 'policies': "
		      "['random(3)', "
		      "'fifo'], 'workers': [0, 300, 'all'], 'utilization': [1, 0.5, 0]}]}",
			"groups[0].policies[0]: \"random(3)\" is not allowed"},
		{HEAD "'groups': [{'service': 'emulated', 'distribution': 'exp:5ms', 'policies': "
		      "['roundrobin'], 'workers': ['spare'], 'utilization': [0.5]}]}",
			"groups[0].workers: \"spare\" is not allowed for \"emulated\""},
		{HEAD "'derived': true, 'cell': {'seconds': 'long'}}",
			"cell.seconds: is not allowed; allowed: a number from 0.1 to 3600"},
		{HEAD "'derived': true, 'cell': {'seconds': 5, 'least_seconds': 6}}",
			"cell.least_seconds: is not allowed: 6 is above cell.seconds, 5"},
		{HEAD "'derived': true, 'quick': {'cell': {'precision': 0}}}",
			"quick.cell.precision: is not allowed"},
	};
	struct experiment e;
	struct buffer errors;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		buffer_init(&errors);
		assert_int_equal(read_text(&e, cases[i].text, false, &errors), -EINVAL);
		const char *told = buffer_cstring(&errors);
		assert_memory_equal(told, path, strlen(path));
		if (!strstr(told, cases[i].told))
			fail_msg("\"%s\" is not in \"%s\"", cases[i].told, told);
		buffer_done(&errors);
	}
}

static void test_all_mistakes_of_a_file_are_told(void **state)
{
	struct experiment e;
	struct buffer errors;
	int lines = 0;

	(void)state;
	buffer_init(&errors);
	assert_int_equal(
		read_text(&e,
			HEAD
			"'groups': [{'service': 'real', 'mix': ['1 GET /'], 'policies': ['fifo'], "
			"'workers': [0, 300, 'all'], 'utilization': [1, 0.5, 0]}]}",
			false, &errors),
		-EINVAL);
	for (size_t i = 0; i < errors.len; i++)
		lines += errors.data[i] == '\n';
	assert_int_equal(lines, 6);
	buffer_done(&errors);
}

static void test_a_file_that_is_not_there(void **state)
{
	struct experiment e;
	struct buffer errors;

	(void)state;
	buffer_init(&errors);
	assert_int_equal(experiment_read(&e, "/nowhere/x.json", false, &errors), -ENOENT);
	assert_string_equal(
		buffer_cstring(&errors), "/nowhere/x.json: No such file or directory\n");
	buffer_done(&errors);
}

/* --- cells ----------------------------------------------------------------------------------------------------- */

static void test_cells_of_a_group(void **state)
{
	struct experiment e;
	struct schedule s;
	struct buffer errors;
	const struct schedule_options o = {.spare_cpus = 1};

	(void)state;
	buffer_init(&errors);
	/* The second group is the first one once more: no cell is measured twice. */
	assert_int_equal(
		read_text(&e, HEAD "'groups': [" GROUP ", " GROUP "]}", false, &errors), 0);
	assert_int_equal(schedule_init(&s, &e, &o), 0);
	assert_int_equal(s.cells, 8);
	assert_string_equal(s.cell[0].name, "emulated/exp:5ms/roundrobin/k1/rho0.50");
	assert_string_equal(s.cell[3].name, "emulated/exp:5ms/roundrobin/k4/rho0.90");
	assert_string_equal(s.cell[4].name, "emulated/exp:5ms/central(2)/k1/rho0.50");
	assert_true(schedule_seed(&s.cell[0], 1) != schedule_seed(&s.cell[1], 1));
	assert_true(schedule_seed(&s.cell[0], 1) != schedule_seed(&s.cell[0], 2));
	schedule_done(&s);
	experiment_done(&e);
	buffer_done(&errors);
}

static void test_cells_by_pattern(void **state)
{
	struct experiment e;
	struct schedule s;
	struct buffer errors;
	const struct schedule_options o = {.spare_cpus = 1, .pattern = "*/k4/*"};

	(void)state;
	buffer_init(&errors);
	assert_int_equal(read_text(&e, HEAD "'groups': [" GROUP "]}", false, &errors), 0);
	assert_int_equal(schedule_init(&s, &e, &o), 0);
	assert_int_equal(s.cells, 4);
	schedule_done(&s);
	experiment_done(&e);
	buffer_done(&errors);
}

static void test_real_work_needs_cpus(void **state)
{
	struct experiment e;
	struct schedule s;
	struct buffer errors;
	const struct schedule_options none = {.spare_cpus = 0}, three = {.spare_cpus = 3};

	(void)state;
	buffer_init(&errors);
	assert_int_equal(
		read_text(&e,
			HEAD "'groups': [{'service': 'real', 'mix': ['1 GET /'], 'policies': "
			     "['roundrobin'], 'workers': ['spare', 3, 4], 'utilization': [0.5]}]}",
			false, &errors),
		0);
	assert_int_equal(schedule_init(&s, &e, &none), 0);
	assert_int_equal(s.cells, 0);
	assert_int_equal(s.unable, 3);
	schedule_done(&s);
	assert_int_equal(schedule_init(&s, &e, &three), 0);
	assert_int_equal(s.cells, 1);
	assert_int_equal(s.cell[0].workers, 3);
	assert_int_equal(s.unable, 1);
	schedule_done(&s);
	experiment_done(&e);
	buffer_done(&errors);
}

static void test_a_foreign_fleet_has_its_own_workers(void **state)
{
	struct experiment e;
	struct schedule s;
	struct buffer errors;
	const struct schedule_options o = {.spare_cpus = 1, .foreign_workers = 5};

	(void)state;
	buffer_init(&errors);
	assert_int_equal(read_text(&e, HEAD "'groups': [" GROUP "]}", false, &errors), 0);
	assert_int_equal(schedule_init(&s, &e, &o), 0);
	assert_int_equal(s.cells, 2);
	assert_string_equal(s.cell[0].name, "foreign/exp:5ms/roundrobin/k5/rho0.50");
	assert_int_equal(s.cell[0].service, EXPERIMENT_FOREIGN);
	schedule_done(&s);
	experiment_done(&e);
	buffer_done(&errors);
}

/* --- results --------------------------------------------------------------------------------------------------- */

static json_t *line(const char *cell, int seed, const char *reason)
{
	return json_pack("{s:s, s:s, s:b, s:i, s:s?}", "experiment", "n", "cell", cell, "quick", 0,
		"seed", seed, "void", reason);
}

static void put(struct results *r, const char *cell, int seed, const char *reason)
{
	json_t *object = line(cell, seed, reason);
	struct buffer error;

	buffer_init(&error);
	assert_non_null(object);
	assert_int_equal(results_add(r, object, &error), 0);
	json_decref(object);
	buffer_done(&error);
}

static void test_results_are_found_again(void **state)
{
	struct results r, other;
	struct results_key key = {.experiment = "n", .cell = "a", .seed = 3};
	struct buffer error;

	(void)state;
	buffer_init(&error);
	assert_int_equal(results_open(&r, directory, &error), 0);
	assert_false(results_has(&r, &key));
	put(&r, "a", 3, NULL);
	put(&r, "b", 3, "the generator was late");
	assert_true(results_has(&r, &key));
	assert_int_equal(results_open(&other, directory, &error), -EWOULDBLOCK);
	results_close(&r);

	/* An interrupted writer leaves half a line, a careless editor nonsense. */
	char cells[80];
	(void)snprintf(cells, sizeof cells, "%s/cells.jsonl", directory);
	FILE *file = fopen(cells, "a");
	assert_non_null(file);
	assert_true(fputs("nonsense\n{\"experiment\": \"n\", \"ce", file) >= 0);
	assert_int_equal(fclose(file), 0);

	assert_int_equal(results_open(&r, directory, &error), 0);
	assert_int_equal(r.ignored, 1);
	assert_true(results_has(&r, &key));
	key.cell = "b";
	assert_false(results_has(&r, &key));
	put(&r, "b", 3, NULL);
	assert_true(results_has(&r, &key));
	key.seed = 4;
	assert_false(results_has(&r, &key));
	key = (struct results_key){.experiment = "n", .cell = "a", .seed = 3, .quick = true};
	assert_false(results_has(&r, &key));
	results_close(&r);
	buffer_done(&error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups_and_limits),
		cmocka_unit_test(test_quick_values_take_the_place),
		cmocka_unit_test(test_derived_has_no_groups),
		cmocka_unit_test(test_mistakes_are_told_with_their_place),
		cmocka_unit_test(test_all_mistakes_of_a_file_are_told),
		cmocka_unit_test(test_a_file_that_is_not_there),
		cmocka_unit_test(test_cells_of_a_group),
		cmocka_unit_test(test_cells_by_pattern),
		cmocka_unit_test(test_real_work_needs_cpus),
		cmocka_unit_test(test_a_foreign_fleet_has_its_own_workers),
		cmocka_unit_test(test_results_are_found_again),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
