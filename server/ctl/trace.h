/* quernctl trace: what the workers did last, as a file that Perfetto opens. */
#ifndef QUERN_SERVER_CTL_TRACE_H
#define QUERN_SERVER_CTL_TRACE_H

#define CTL_TRACE_LONGEST_S 86400.0 /* what the admin process takes */
#define CTL_TRACE_NUMBER 32	    /* letters of a number at most */

/* Texts are borrowed. What numbers they hold the caller has checked: digits and a point, at most CTL_TRACE_NUMBER. */
struct ctl_trace_wish {
	const char *worker;  /* a slot's number; NULL: all */
	const char *seconds; /* how far back; NULL: all that there is */
	const char *
		file; /* NULL: standard output. The file is replaced when all of it has come, or stays as it is */
};

/* Returns the exit code, and has said on standard error why it is not 0. */
int ctl_trace(const char *address, const struct ctl_trace_wish *wish);

#endif
