-- wrk's own figures as one line of JSON, instead of the text that wrk prints for people.
function done(summary, latency, _)
	local errors = summary.errors
	io.write(string.format(
		'JSON {"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "errors": %d}\n',
		summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
		errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
