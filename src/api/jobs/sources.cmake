list(APPEND api_sources
  jobs/loss_curve.cpp jobs/job_log.cpp jobs/process_use.cpp jobs/run_files.cpp jobs/job_process.cpp jobs/job_runner.cpp
  jobs/job_request.cpp jobs/job_json.cpp jobs/presets.cpp jobs/native.cpp jobs/protocol.cpp jobs/rows.cpp)
list(APPEND api_tests jobs/jobs_test.cpp)
list(APPEND api_deps tuning models)
