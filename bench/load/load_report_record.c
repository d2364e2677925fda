/* load --record and --service-hist: lines that other programs read. */
#include "bench/load/load_report.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

const char load_record_head[] =
	"# intended_us\tsent_us\tdone_us\tstatus\tworker\tqueue_us\tservice_us\tdue_us\tasked_us\t"
	"template\n";

/* "123.456", or "-" for the -1 that says "not known". */
static const char *known(double us, char *text, size_t n)
{
	if (us < 0)
		return "-";
	(void)snprintf(text, n, "%.3f", us);
	return text;
}

int load_record_line(FILE *to, const struct sample *s)
{
	char sent[32], queue[32], service[32], asked[32], worker[16] = "-", status[8];

	if (s->worker >= 0)
		(void)snprintf(worker, sizeof worker, "%" PRId32, s->worker);
	const int n = fprintf(to, "%.3f\t%s\t%.3f\t%s\t%s\t%s\t%s\t%.3f\t%s\t%u\n", s->intended_us,
		known(s->sent_us, sent, sizeof sent), s->done_us,
		sample_status_name(s->status, status), worker,
		known(s->queue_us, queue, sizeof queue),
		known(s->service_us, service, sizeof service), s->due_us,
		known(s->asked_us, asked, sizeof asked), (unsigned)s->template_index);

	return n >= 0 ? 0 : errno ? -errno : -EIO;
}

/* A bucket's range is cut to the values seen, so that a constant time stays exactly what it was. */
static void put_range(const struct quantiles *q, size_t i, struct buffer *out)
{
	const double low = fmax(i > 0 ? quantiles_low_us(i) : 0, q->min);
	const double high = fmin(i + 1 < QUANTILES_BUCKETS ? quantiles_high_us(i) : q->max, q->max);

	buffer_printf(out, "%.10g %.10g %" PRIu64 "\n", low, fmax(low, high), q->bucket[i]);
}

void load_report_service_hist(
	const struct quantiles *service, const char *comment, struct buffer *out)
{
	buffer_printf(out, "# %s\n# %" PRIu64 " service times, mean %.10g us, SCV %.6g\n", comment,
		service->count, quantiles_mean(service), quantiles_scv(service));
	buffer_puts(out, "# low_us high_us count\n");
	for (size_t i = 0; i < QUANTILES_BUCKETS; i++)
		if (service->bucket[i] > 0)
			put_range(service, i, out);
}
