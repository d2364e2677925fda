/*
 * The subcommands. argv[0] is the subcommand's own name; each returns an enum bench_exit and has
 * said whatever went wrong.
 */
#ifndef QUERN_BENCH_COMMANDS_H
#define QUERN_BENCH_COMMANDS_H

int bench_load(int argc, char **argv);
int bench_simulate(int argc, char **argv);
int bench_plan(int argc, char **argv);
int bench_sweep(int argc, char **argv);
int bench_chapter(int argc, char **argv);
int bench_report(int argc, char **argv);
int bench_compare(int argc, char **argv);
int bench_timeline(int argc, char **argv);

#endif
