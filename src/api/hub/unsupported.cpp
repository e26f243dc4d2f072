// What a client may ask of the public hub and this one does not offer: said plainly, as 501 with the reason, instead of a 404 that reads like
// a missing repository.
#include "api/answer.h"
#include "api/hub/handlers.h"
#include "api/services.h"

namespace lyceum::api {

http::Response refuse_buckets(Context&) { throw Error(Code::unsupported, "This hub has no storage buckets; use a dataset repository."); }
http::Response refuse_jobs(Context&) { throw Error(Code::unsupported, "This hub runs jobs when they are asked for, not by a schedule; ask from cron with `hf jobs run lyceum lyceum tune ...`."); }
http::Response refuse_kernels(Context&) { throw Error(Code::unsupported, "This hub has no kernel repositories; it keeps models, datasets and Spaces."); }
http::Response refuse_space_control(Context&) { throw Error(Code::unsupported, "Spaces on this hub are static or declarative: they have no hardware, secrets, storage or restarts."); }
http::Response refuse_papers(Context&) { throw Error(Code::unsupported, "This hub keeps no papers; link them from a card."); }
http::Response refuse_attachments(Context&) {
  throw Error(Code::unsupported, "This hub keeps no attachments of comments; put the file into a repository, or into a pull request, and link it from there.");
}

http::Response list_no_hardware(Context&) { return json_answer(json::array{}); }
http::Response list_no_scores(Context&) { return json_answer(json::array{}); }
http::Response list_no_templates(Context&) { return json_answer(json::object{{"templates", json::array{}}}); }

}  // namespace lyceum::api
