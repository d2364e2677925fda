/* DIR/machine.json: where and with what an experiment was measured. */
#ifndef QUERN_BENCH_SWEEP_MACHINE_H
#define QUERN_BENCH_SWEEP_MACHINE_H

#include "lib/buffer.h"

/* Writes it anew. 0, or -errno with a sentence. What the machine does not tell is null. */
int machine_write(const char *dir, int argc, char *const *argv, struct buffer *error)
	__attribute__((warn_unused_result));

#endif
