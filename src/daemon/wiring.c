#include "daemon/wiring.h"

#include <fcntl.h>
#include <stdlib.h>

#include "auth/forge_provider.h"
#include "auth/oidc.h"
#include "base/enc.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "directory/lookup.h"

/* Threads come and go with the work. Lanes: 3 providers' logins, 4 kinds of questions, 8 jobs each;
 * 2 forges. */
#define API_WORKERS 56
#define FETCHERS (2 * LOOKUPS_EACH)
#define TLS_FILE_MAX (1024 * 1024)

int wiring_server_id(const struct config *config, char **out, struct err *err)
{
    struct store *store = NULL;
    char fresh[SESSION_ID_LEN + 1];
    int rc = store_open(config->database, &store, err);
    if (rc)
        return rc;
    rnd_session_id(fresh);
    rc = store_meta_once(store, "server_id", fresh, out, err);
    store_close(store);
    return rc;
}

static void on_keeper_lost(void *payload, const struct err *why)
{
    struct wiring *w = payload;
    log_error("%s; ending, to be started again", why->msg);
    w->keeper_lost = true;
    loop_stop(w->loop);
}

/* Certificate clients put links where the server looks. */
static int read_linked(const char *path, struct str *out, struct err *err)
{
    cleanup_free char *real = realpath(path, NULL);
    if (!real)
        return err_errno(err, "%s", path);
    return fd_read_file(AT_FDCWD, real, TLS_FILE_MAX, out, err);
}

static int read_tls(struct wiring *w, const struct config *config, struct err *err)
{
    if (!config->tls_cert)
        return 0;
    int rc = read_linked(config->tls_cert, &w->tls_cert, err);
    return rc ? rc : read_linked(config->tls_key, &w->tls_key, err);
}

/* ---- login
 * ------------------------------------------------------------------------------------------------
 */

static void register_forges(struct auth_providers *r, const struct config *config)
{
    if (config->github_client_id)
        auth_github_register(
            r, &(struct auth_forge_options){.client_id = config->github_client_id,
                                            .client_secret = config->github_client_secret,
                                            .url = config->github_url,
                                            .api_url = config->github_api_url});
    if (config->gitlab_client_id)
        auth_gitlab_register(
            r, &(struct auth_forge_options){.client_id = config->gitlab_client_id,
                                            .client_secret = config->gitlab_client_secret,
                                            .url = config->gitlab_url});
    if (config->oidc_issuer && config->oidc_client_id)
        auth_oidc_register(r,
                           &(struct auth_oidc_options){.issuer = config->oidc_issuer,
                                                       .client_id = config->oidc_client_id,
                                                       .client_secret = config->oidc_client_secret,
                                                       .scopes = config->oidc_scopes,
                                                       .login_claim = config->oidc_login_claim});
}

static int open_names(struct wiring *w, const struct config *config, struct err *err)
{
    int rc = read_tls(w, config, err);
    const struct own_names_options options = {
        .public_urls = config->public_urls.v,
        .n_public_urls = config->public_urls.len,
        .tls_cert_pem = config->tls_cert ? w->tls_cert.p : NULL,
        .bind = config->bind,
        .external_host = config->external_host,
    };
    if (!rc)
        rc = own_names_new(&options, &w->names, err);
    return rc && config->tls_cert ? err_wrap(err, "STEADYSTATE_TLS_CERT") : rc;
}

static int open_logins(struct wiring *w, const struct config *config, const char *server_id,
                       struct err *err)
{
    w->providers = auth_providers_new();
    if (config->users_file) {
        int rc = users_open(config->users_file, &w->users, err);
        if (rc)
            return rc;
        auth_sshkey_register(w->providers, w->users, w->names, server_id);
    }
    if (config->fake_auth) {
        log_warn("ENABLE_FAKE_AUTH=1: anybody can log in as anybody; for tests only");
        auth_fake_register(w->providers);
    }
    register_forges(w->providers, config);
    return 0;
}

static int open_vault(struct wiring *w, const struct config *config, struct err *err)
{
    cleanup_free char *own = path_join(config->state_dir, "token-key");
    struct seal_ring *ring = NULL;
    int rc = config->token_key_file ? seal_ring_load(config->token_key_file, false, &ring, err)
                                    : seal_ring_load(own, true, &ring, err);
    if (rc == 0)
        w->vault = vault_new(w->store, ring);
    return rc;
}

/* ---- sessions
 * --------------------------------------------------------------------------------------------- */

static void open_directory(struct wiring *w, const struct config *config)
{
    struct directory_options options = {.users = w->users,
                                        .providers = w->providers,
                                        .vault = w->vault,
                                        .store = w->store,
                                        .pool = w->pool,
                                        .fetchers = w->fetchers,
                                        .clock = &clock_real};
    size_t n = 0;
    if (config->github_client_id)
        options.forges[n++] = (struct directory_forge){.provider = "github",
                                                       .kind = FORGE_GITHUB,
                                                       .url = config->github_url,
                                                       .api_url = config->github_api_url};
    if (config->gitlab_client_id)
        options.forges[n++] = (struct directory_forge){.provider = "gitlab",
                                                       .kind = FORGE_GITLAB,
                                                       .url = config->gitlab_url,
                                                       .api_url = config->gitlab_url};
    w->directory = directory_new(&options);
    w->session_directory = directory_session(w->directory);
}

static int open_sessions(struct wiring *w, const struct config *config,
                         const struct compute_choice *choice, const char *server_id,
                         struct err *err)
{
    cleanup_free char *ssh_user = NULL;
    int rc = compute_ssh_user(config, choice, &ssh_user, err);
    if (rc)
        return rc;
    const struct session_config options = {
        .server_id = server_id,
        .compute_provider = compute_choice_name(choice),
        .external_host = config->external_host,
        .ssh_user = ssh_user,
        .ssh_bind = config->ssh_bind,
        .port_first = config->ssh_port_first,
        .port_last = config->ssh_port_last,
        .subnets = config->session_subnets,
        .image = config->session_image,
        .memory = config->session_memory,
        .cpus_milli = config->session_cpus_milli,
        .pids = config->session_pids,
        .disk = config->session_disk,
        .require_userns = config->require_userns,
        .allowed_hosts = config->allowed_hosts.v,
        .n_allowed_hosts = config->allowed_hosts.len,
        .allow_local_repos = config->allow_local_repos,
        .default_ttl = config->default_session_ttl_secs,
        .max_ttl = config->max_session_ttl_secs,
        .idle_ttl = config->idle_ttl_secs,
        .max_per_user = config->max_sessions_per_user,
    };
    return sessions_new(&options, w->store, keeper_stub_link(w->stub), &w->session_directory,
                        w->loop, &clock_real, &w->sessions, err);
}

/* ---- HTTP
 * ----------------------------------------------------------------------------------------------------
 */

static int open_api(struct wiring *w, const struct config *config, struct err *err)
{
    const struct api_options options = {
        .loop = w->loop,
        .pool = w->pool,
        .store = w->store,
        .sessions = w->sessions,
        .providers = w->providers,
        .vault = w->vault,
        .github_url = config->github_url,
        .gitlab_url = config->gitlab_url,
        .clock = &clock_real,
        .bind = config->bind,
        .port = config->port,
        .tls_cert_pem = config->tls_cert ? w->tls_cert.p : NULL,
        .tls_key_pem = config->tls_cert ? w->tls_key.p : NULL,
        .cors_origins = config->cors_origins.v,
        .n_cors_origins = config->cors_origins.len,
        .jwt_secret = config->jwt_secret,
        .jwt_previous = config->jwt_secret_previous,
        .jwt_issuer = config->jwt_issuer,
        .jwt_ttl = config->jwt_ttl_secs,
        .refresh_ttl = config->refresh_ttl_secs,
        .rates = {.token = config->rate_token_per_min,
                  .auth = config->rate_auth_per_min,
                  .other = config->rate_default_per_min},
        .trust_forwarded = config->rate_trust_forwarded,
    };
    int rc = api_start(&options, &w->api, err);
    if (rc == ERR_INVALID && config->tls_cert)
        return err_wrap(err, "STEADYSTATE_TLS_CERT, STEADYSTATE_TLS_KEY");
    return rc;
}

int wiring_open(struct wiring *w, const struct config *config, const struct compute_choice *choice,
                const char *server_id, struct keeper_process *keeper, struct err *err)
{
    *w = (struct wiring){.tls_cert = STR_INIT, .tls_key = STR_INIT};
    int rc;
    if ((rc = loop_new(&w->loop, err)) != 0 ||
        (rc = keeper_stub_new(w->loop, steal_fd(&keeper->fd), on_keeper_lost, w, &w->stub, err)) !=
            0 ||
        (rc = work_pool_new(w->loop, API_WORKERS, &w->pool, err)) != 0 ||
        (rc = work_pool_new(w->loop, FETCHERS, &w->fetchers, err)) != 0 ||
        (rc = store_open(config->database, &w->store, err)) != 0 ||
        (rc = open_names(w, config, err)) != 0 ||
        (rc = open_logins(w, config, server_id, err)) != 0 ||
        (rc = open_vault(w, config, err)) != 0)
        return rc;
    open_directory(w, config);
    rc = open_sessions(w, config, choice, server_id, err);
    return rc ? rc : open_api(w, config, err);
}

void wiring_close(struct wiring *w)
{
    sessions_free(w->sessions);
    work_pool_free(w->pool);
    work_pool_free(w->fetchers);
    keeper_stub_free(w->stub);
    api_free(w->api);
    directory_free(w->directory);
    if (w->providers)
        auth_providers_free(w->providers);
    vault_free(w->vault);
    if (w->users)
        users_close(w->users);
    own_names_free(w->names);
    store_close(w->store);
    loop_free(w->loop);
    str_release(&w->tls_cert);
    str_release_secret(&w->tls_key);
}
