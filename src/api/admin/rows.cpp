#include "api/admin/handlers.h"
#include "api/groups.h"

namespace lyceum::api {
namespace {

using enum Access;

constexpr RouteRow kAdminRows[] = {
    {"GET", "/api/lyceum/me", anyone, "The caller, for the pages; null when anonymous", describe_me},
    {"POST", "/api/lyceum/sign-in", anyone, "Starts a browser session from a password or a write token", sign_in},
    {"POST", "/api/lyceum/sign-out", anyone, "Ends the browser session", sign_out},
    {"GET", "/api/lyceum/tokens", write_token, "The caller's access tokens, without their text", list_tokens},
    {"POST", "/api/lyceum/tokens", write_token, "Creates an access token, with a scope of its own if it is fine-grained; its text is shown this once", create_token},
    {"DELETE", "/api/lyceum/tokens/{id}", write_token, "Revokes an access token", revoke_token},
    {"POST", "/api/credentials/revoke", anyone, "Ends access tokens that leaked: whoever holds one may report it", revoke_credentials},
    {"GET", "/api/lyceum/audit", administrator, "Security-relevant actions, newest first", list_audit},
    {"GET", "/api/lyceum/audit/verify", administrator, "Does the chain of the audit log hold?", verify_audit},
    {"POST", "/api/lyceum/users", administrator, "Creates a user", create_user},
    {"PUT", "/api/lyceum/users/{user}/password", write_token, "Changes a password: one's own, or anyone's for an administrator", change_password},
    {"POST", "/api/lyceum/organizations", write_token, "Creates an organisation; the caller is its first owner", create_organisation},
    {"DELETE", "/api/lyceum/organizations/{organisation}", write_token, "Removes an organisation that owns nothing any more", delete_organisation},
    {"PUT", "/api/lyceum/organizations/{organisation}/members/{user}", scoped_write, "Adds a member or changes a role", set_member},
    {"DELETE", "/api/lyceum/organizations/{organisation}/members/{user}", scoped_write, "Removes a member", remove_member},
    {"GET", "/api/lyceum/quotas/{owner}", administrator, "What a namespace stores and may store", describe_quota},
    {"PUT", "/api/lyceum/quotas/{owner}", administrator, "Gives a namespace a storage limit of its own", set_quota},
    {"GET", "/api/lyceum/stats", anyone, "Counts of what the caller can see", show_stats},
    {"GET", "/api/lyceum/openapi.json", anyone, "This table as OpenAPI", describe_api},
    {"GET", "/healthz", anyone, "The process answers", show_health},
    {"GET", "/readyz", anyone, "Requests can be served: the database answers, the disk has room, the server is not stopping", show_readiness},
    {"GET", "/metrics", administrator, "Prometheus metrics", show_metrics},
    {"POST", "/api/lyceum/gc", administrator, "Collects large files and folders that nothing refers to; a dry run by default", collect_garbage},
    {"GET", "/api/lyceum/{type}/{ns}/{name}/card", repo_read, "The README as sanitised HTML", render_card},
};

constexpr RouteRow kStaticRows[] = {
    {"GET", "/assets/{path*}", anyone, "Files of the browser front end", serve_asset},
    {"GET", "/api/{path*}", anyone, "No such address", refuse_unknown},
    {"GET", "/v1/{path*}", anyone, "No such address", refuse_unknown},
    {"GET", "/v2/{path*}", anyone, "No such address", refuse_unknown},
    {"OPTIONS", "/{path*}", anyone, "May a page of another origin ask? (CORS)", answer_preflight},
    {"GET", "/", anyone, "The browser front end", serve_page},
    {"GET", "/{path*}", anyone, "The browser front end", serve_page},
};

}  // namespace

std::span<const RouteRow> admin_rows() { return kAdminRows; }
std::span<const RouteRow> static_rows() { return kStaticRows; }

}  // namespace lyceum::api
