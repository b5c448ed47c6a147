/*
 * Configuration of steadystated: environment variables and an optional KEY=value file, checked
 * whole before anything starts. The environment wins over the file. Unknown STEADYSTATE_* names and
 * bad values are refused with one line naming the variable. The table of variables is in
 * docs/configuration.md.
 *
 * Only src/daemon knows this struct: lower layers get what they need through option structs of
 * their own.
 */
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "base/str.h"

#define CONFIG_FILE_MAX (256 * 1024)
#define CONFIG_VALUE_MAX 8192
#define CONFIG_JWT_SECRET_MIN 32
#define CONFIG_LOCAL_USER "steadystate"

enum config_provider { CONFIG_PROVIDER_AUTO, CONFIG_PROVIDER_CONTAINER, CONFIG_PROVIDER_LOCAL };

/* Strings are owned; NULL means unset. */
struct config {
    /* listening */
    char *bind; /* numeric address */
    int port;
    char *tls_cert, *tls_key; /* files */
    bool allow_http;
    struct strv cors_origins;
    struct strv public_urls; /* origins that people reach the server by */

    /* state */
    char *state_dir;     /* absolute */
    char *database;      /* "sqlite:<absolute path>" */
    char *database_path; /* the path of it */
    char *session_root;  /* absolute */

    /* tokens */
    char *jwt_secret; /* NULL until config_prepare made or read it */
    char *jwt_secret_previous;
    char *jwt_issuer;
    int64_t jwt_ttl_secs;
    int64_t refresh_ttl_secs;
    char *token_key_file;

    /* login providers */
    char *github_client_id, *github_client_secret, *github_url, *github_api_url;
    char *gitlab_client_id, *gitlab_client_secret, *gitlab_url;
    char *oidc_issuer, *oidc_client_id, *oidc_client_secret, *oidc_scopes, *oidc_login_claim;
    char *users_file;
    bool fake_auth;

    /* compute */
    enum config_provider provider;
    char *engine; /* as given: NULL means probe */
    char *ssh_bind;
    char *session_subnets;
    bool require_userns;
    char *local_user;
    char *session_image;
    uint64_t session_memory; /* bytes */
    int session_cpus_milli;
    int session_pids;
    uint64_t session_disk; /* bytes, 0: no limit */

    /* repositories */
    struct strv allowed_hosts;
    bool allow_local_repos;
    char *forge_tokens_file;
    char *deploy_key;
    char *known_hosts;

    /* links and ports */
    char *external_host; /* never NULL after config_load */
    char *ssh_user;
    int ssh_port_first, ssh_port_last;

    /* sessions */
    int64_t default_session_ttl_secs;
    int64_t max_session_ttl_secs;
    int64_t idle_ttl_secs;     /* 0: never */
    int max_sessions_per_user; /* 0: no cap */

    /* rate limits, requests a minute of one address, 0: off */
    int rate_token_per_min;
    int rate_auth_per_min;
    int rate_default_per_min;
    bool rate_trust_forwarded;

    enum log_level log_level;
    enum log_format log_format;
};

void config_init(struct config *config);
void config_release(struct config *config);
#define cleanup_config cleanup(config_release)

/* Reads env (NULL-terminated "KEY=value" list) and, when path is not NULL, the file. Touches
 * nothing. */
int config_load(char *const *env, const char *path, struct config *out, struct err *err);

/* Makes the state directory (0700) and, unless JWT_SECRET is configured, reads or makes the secret
 * in it (0600). (The server's id is kept in the store: store_meta_once.) */
int config_prepare(struct config *config, struct err *err);

/* Appends the effective configuration, one KEY=value a line, secrets as "(set)". */
void config_print(const struct config *config, struct str *out);

#endif
