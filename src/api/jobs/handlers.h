// handlers.h: the handlers of rows.cpp. A row lets any credential in that could have the right; each handler asks hub/jobs.h about the
// namespace or the job itself.
#pragma once

#include "api/route.h"

namespace lyceum::api {

// Our own words (native.cpp).
http::Response list_own_jobs(Context& context);
http::Response list_job_presets(Context& context);
http::Response list_namespace_jobs(Context& context);
http::Response submit_job(Context& context);
http::Response show_job(Context& context);
http::Response show_job_plan(Context& context);
http::Response show_job_log(Context& context);
http::Response start_job(Context& context);
http::Response resume_job(Context& context);
http::Response stop_job(Context& context);
http::Response delete_job(Context& context);

// The Hugging Face Jobs protocol (protocol.cpp).
http::Response list_job_hardware(Context& context);
http::Response list_docker_jobs(Context& context);
http::Response run_docker_job(Context& context);
http::Response inspect_job(Context& context);
http::Response stream_job_logs(Context& context);
http::Response stream_job_metrics(Context& context);
http::Response cancel_job(Context& context);
http::Response duplicate_job(Context& context);
http::Response put_job_labels(Context& context);
http::Response refuse_job_ports(Context& context);

}  // namespace lyceum::api
