/* Whether a cell counts: nothing but the workers may have been the bottleneck, and nobody else may have used the machine. */
#ifndef QUERN_BENCH_SWEEP_CELL_VOID_H
#define QUERN_BENCH_SWEEP_CELL_VOID_H

#include "bench/sweep/cell.h"

#define CELL_HAPROXY_MOST 0.8 /* CPUs */
#define CELL_OTHERS_MOST 0.25 /* CPUs that programs which are no part of the experiment may use */
#define CELL_STEAL_MOST 0.1   /* CPUs that the host may have taken away */
#define CELL_BUSY_NEAR 0.05   /* relative; further from the wanted utilization is worth a note */

/* Sets r->void_reason, and adds to r->notes, from what was measured. */
void cell_find_void(const struct schedule_cell *c, struct cell_result *r, bool foreign);

#endif
