#include "daemon/config_keys.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/path.h"
#include "base/url.h"

#define AT(member) offsetof(struct config, member)
#define DAY 86400
#define YEAR (366 * DAY)

/* clang-format off */
const struct config_key config_keys[] = {
    {"STEADYSTATE_BIND", CONFIG_ADDRESS, AT(bind), "127.0.0.1", 0, 0},
    {"STEADYSTATE_PORT", CONFIG_INT, AT(port), "8080", 0, 65535},
    {"STEADYSTATE_TLS_CERT", CONFIG_FILE, AT(tls_cert), NULL, 0, 0},
    {"STEADYSTATE_TLS_KEY", CONFIG_FILE, AT(tls_key), NULL, 0, 0},
    {"STEADYSTATE_ALLOW_HTTP", CONFIG_FLAG, AT(allow_http), NULL, 0, 0},
    {"STEADYSTATE_CORS_ORIGINS", CONFIG_LIST, AT(cors_origins), NULL, 0, 0},
    {"STEADYSTATE_PUBLIC_URL", CONFIG_LIST, AT(public_urls), NULL, 0, 0},
    {"STEADYSTATE_STATE_DIR", CONFIG_PATH, AT(state_dir), NULL, 0, 0},
    {"STEADYSTATE_DATABASE", CONFIG_STR, AT(database), NULL, 0, 0},
    {"STEADYSTATE_SESSION_ROOT", CONFIG_PATH, AT(session_root), NULL, 0, 0},
    {"JWT_SECRET", CONFIG_SECRET, AT(jwt_secret), NULL, CONFIG_JWT_SECRET_MIN, 4096},
    {"JWT_SECRET_PREVIOUS", CONFIG_SECRET, AT(jwt_secret_previous), NULL, CONFIG_JWT_SECRET_MIN, 4096},
    {"JWT_ISSUER", CONFIG_STR, AT(jwt_issuer), "steadystate", 0, 0},
    {"JWT_TTL_SECS", CONFIG_SECS, AT(jwt_ttl_secs), "900", 1, DAY},
    {"REFRESH_TTL_SECS", CONFIG_SECS, AT(refresh_ttl_secs), "1209600", 1, YEAR},
    {"STEADYSTATE_TOKEN_KEY_FILE", CONFIG_SECRET_FILE, AT(token_key_file), NULL, 0, 0},
    {"GITHUB_CLIENT_ID", CONFIG_STR, AT(github_client_id), NULL, 0, 0},
    {"GITHUB_CLIENT_SECRET", CONFIG_SECRET, AT(github_client_secret), NULL, 1, 4096},
    {"GITHUB_URL", CONFIG_URL, AT(github_url), "https://github.com", 0, 0},
    {"GITHUB_API_URL", CONFIG_URL, AT(github_api_url), "https://api.github.com", 0, 0},
    {"GITLAB_CLIENT_ID", CONFIG_STR, AT(gitlab_client_id), NULL, 0, 0},
    {"GITLAB_CLIENT_SECRET", CONFIG_SECRET, AT(gitlab_client_secret), NULL, 1, 4096},
    {"GITLAB_URL", CONFIG_URL, AT(gitlab_url), "https://gitlab.com", 0, 0},
    {"OIDC_ISSUER", CONFIG_STR, AT(oidc_issuer), NULL, 0, 0},
    {"OIDC_CLIENT_ID", CONFIG_STR, AT(oidc_client_id), NULL, 0, 0},
    {"OIDC_CLIENT_SECRET", CONFIG_SECRET, AT(oidc_client_secret), NULL, 1, 4096},
    {"OIDC_SCOPES", CONFIG_STR, AT(oidc_scopes), "openid profile email", 0, 0},
    {"OIDC_LOGIN_CLAIM", CONFIG_STR, AT(oidc_login_claim), "preferred_username", 0, 0},
    {"STEADYSTATE_USERS_FILE", CONFIG_FILE, AT(users_file), NULL, 0, 0},
    {"ENABLE_FAKE_AUTH", CONFIG_FLAG, AT(fake_auth), NULL, 0, 0},
    {"STEADYSTATE_PROVIDER", CONFIG_PROVIDER, AT(provider), NULL, 0, 0},
    {"STEADYSTATE_ENGINE", CONFIG_STR, AT(engine), NULL, 0, 0},
    {"STEADYSTATE_SSH_BIND", CONFIG_ADDRESS, AT(ssh_bind), "0.0.0.0", 0, 0},
    {"STEADYSTATE_SESSION_SUBNETS", CONFIG_STR, AT(session_subnets), "10.213.0.0/16", 0, 0},
    {"STEADYSTATE_REQUIRE_USERNS", CONFIG_FLAG, AT(require_userns), NULL, 0, 0},
    {"STEADYSTATE_LOCAL_USER", CONFIG_STR, AT(local_user), CONFIG_LOCAL_USER, 0, 0},
    {"STEADYSTATE_ALLOWED_HOSTS", CONFIG_LIST, AT(allowed_hosts), NULL, 0, 0},
    {"STEADYSTATE_ALLOW_LOCAL_REPOS", CONFIG_FLAG, AT(allow_local_repos), NULL, 0, 0},
    {"STEADYSTATE_FORGE_TOKENS_FILE", CONFIG_SECRET_FILE, AT(forge_tokens_file), NULL, 0, 0},
    {"STEADYSTATE_DEPLOY_KEY", CONFIG_SECRET_FILE, AT(deploy_key), NULL, 0, 0},
    {"STEADYSTATE_KNOWN_HOSTS", CONFIG_FILE, AT(known_hosts), NULL, 0, 0},
    {"STEADYSTATE_SESSION_IMAGE", CONFIG_STR, AT(session_image), "localhost/steadystate-session:latest", 0, 0},
    {"STEADYSTATE_SESSION_MEMORY", CONFIG_BYTES, AT(session_memory), "2g", 64 << 20, INT64_MAX},
    {"STEADYSTATE_SESSION_CPUS", CONFIG_CPUS, AT(session_cpus_milli), "2", 10, 1024000},
    {"STEADYSTATE_SESSION_PIDS", CONFIG_INT, AT(session_pids), "2048", 64, 4194304},
    {"STEADYSTATE_SESSION_DISK", CONFIG_BYTES, AT(session_disk), NULL, 64 << 20, INT64_MAX},
    {"STEADYSTATE_EXTERNAL_HOST", CONFIG_STR, AT(external_host), NULL, 0, 0},
    {"STEADYSTATE_SSH_USER", CONFIG_STR, AT(ssh_user), "steadystate", 0, 0},
    {"STEADYSTATE_SSH_PORTS", CONFIG_PORTS, AT(ssh_port_first), "20000-28000", 1024, 65535},
    {"STEADYSTATE_DEFAULT_SESSION_TTL_SECS", CONFIG_SECS, AT(default_session_ttl_secs), "172800", 1, YEAR},
    {"STEADYSTATE_MAX_SESSION_TTL_SECS", CONFIG_SECS, AT(max_session_ttl_secs), "604800", 1, YEAR},
    {"STEADYSTATE_IDLE_TTL_SECS", CONFIG_SECS, AT(idle_ttl_secs), "7200", 0, YEAR},
    {"STEADYSTATE_MAX_SESSIONS_PER_USER", CONFIG_INT, AT(max_sessions_per_user), "5", 0, 100000},
    {"RATE_LIMIT_TOKEN_PER_MIN", CONFIG_INT, AT(rate_token_per_min), "5", 0, 1000000},
    {"RATE_LIMIT_AUTH_PER_MIN", CONFIG_INT, AT(rate_auth_per_min), "30", 0, 1000000},
    {"RATE_LIMIT_DEFAULT_PER_MIN", CONFIG_INT, AT(rate_default_per_min), "120", 0, 1000000},
    {"RATE_LIMIT_TRUST_FORWARDED", CONFIG_FLAG, AT(rate_trust_forwarded), NULL, 0, 0},
    {"STEADYSTATE_LOG", CONFIG_LOG_LEVEL, AT(log_level), "info", 0, 0},
    {"STEADYSTATE_LOG_FORMAT", CONFIG_LOG_FORMAT, AT(log_format), "text", 0, 0},
};
/* clang-format on */
const size_t n_config_keys = ARRAY_LEN(config_keys);

const struct config_key *config_key_find(const char *name, size_t len)
{
    for (size_t i = 0; i < n_config_keys; i++)
        if (strlen(config_keys[i].name) == len && memcmp(config_keys[i].name, name, len) == 0)
            return &config_keys[i];
    return NULL;
}

static void *place(const struct config_key *key, struct config *config)
{
    return (char *)config + key->offset;
}

static void put_str(void *where, char *text)
{
    char **slot = where;
    free_secret(*slot);
    *slot = text;
}

static int set_text(const struct config_key *key, const char *text, void *where, struct err *err)
{
    size_t n = strlen(text);
    if (key->kind == CONFIG_SECRET && (int64_t)n < key->min)
        return err_set(err, ERR_INVALID, "must be at least %lld bytes", (long long)key->min);
    if (key->kind == CONFIG_SECRET && (int64_t)n > key->max)
        return err_set(err, ERR_INVALID, "must be at most %lld bytes", (long long)key->max);
    put_str(where, xstrdup(text));
    return 0;
}

static int set_path(const char *text, void *where, struct err *err)
{
    if (text[0] == '/') {
        put_str(where, xstrdup(text));
        return 0;
    }
    cleanup_free char *here = getcwd(NULL, 0);
    if (!here)
        return err_errno(err, "working directory");
    put_str(where, path_join(here, text));
    return 0;
}

/* What everybody can read is no secret any more; what others can write may be anybody's. */
static int check_file(const struct config_key *key, const char *path, struct err *err)
{
    struct stat st;
    if (stat(path, &st))
        return err_errno(err, "%s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "%s is not a regular file", path);
    if (access(path, R_OK))
        return err_errno(err, "%s", path);
    if (key->kind == CONFIG_SECRET_FILE && st.st_mode & 077)
        return err_set(err, ERR_INVALID, "%s is open to others (chmod 600)", path);
    return 0;
}

static int set_file(const struct config_key *key, const char *text, void *where, struct err *err)
{
    int rc = set_path(text, where, err);
    return rc ? rc : check_file(key, *(char **)where, err);
}

static int set_url(const char *text, void *where, struct err *err)
{
    cleanup_url struct url u = {0};
    size_t n = strlen(text);
    while (n && text[n - 1] == '/')
        n--;
    int rc = url_parse(text, n, &u, err);
    if (rc)
        return rc;
    bool http = strcmp(u.scheme, "https") == 0 || strcmp(u.scheme, "http") == 0;
    if (!http || u.user || u.query)
        return err_set(err, ERR_INVALID, "must be an http or https URL without user and query");
    put_str(where, xstrndup(text, n));
    return 0;
}

static int set_address(const char *text, void *where, struct err *err)
{
    unsigned char raw[16];
    if (inet_pton(AF_INET, text, raw) != 1 && inet_pton(AF_INET6, text, raw) != 1)
        return err_set(err, ERR_INVALID, "must be a numeric address");
    put_str(where, xstrdup(text));
    return 0;
}

static int set_bytes(const struct config_key *key, const char *text, uint64_t *where,
                     struct err *err)
{
    int rc = num_parse_bytes(text, (uint64_t)key->max, where, err);
    if (!rc && *where < (uint64_t)key->min)
        return err_set(err, ERR_INVALID, "must be at least %lldm", (long long)key->min >> 20);
    return rc;
}

/* "2", "0.5", "1.25": at most three digits behind the point. */
static int set_cpus(const struct config_key *key, const char *text, int *where, struct err *err)
{
    const char *dot = strchr(text, '.');
    size_t whole_len = dot ? (size_t)(dot - text) : strlen(text);
    size_t digits = dot ? strlen(dot + 1) : 0;
    uint64_t whole = 0, part = 0;
    int rc = num_parse_u64(text, whole_len, 0, 1024, &whole, err);
    if (!rc && dot)
        rc = digits > 3 ? ERR_INVALID : num_parse_u64(dot + 1, digits, 0, 999, &part, err);
    for (size_t i = digits; i < 3; i++)
        part *= 10;
    int64_t milli = (int64_t)(whole * 1000 + part);
    if (rc || milli < key->min || milli > key->max) {
        err_clear(err);
        return err_set(err, ERR_INVALID, "must be a number of CPUs between 0.01 and 1024");
    }
    *where = (int)milli;
    return 0;
}

static int set_flag(const char *text, bool *where, struct err *err)
{
    if (strcmp(text, "1") != 0 && strcmp(text, "0") != 0)
        return err_set(err, ERR_INVALID, "must be 1 or 0");
    *where = text[0] == '1';
    return 0;
}

static int set_ports(const struct config_key *key, const char *text, int *where, struct err *err)
{
    const char *dash = strchr(text, '-');
    uint64_t first, last;
    if (!dash ||
        num_parse_u64(text, (size_t)(dash - text), (uint64_t)key->min, (uint64_t)key->max, &first,
                      NULL) ||
        num_parse_u64(dash + 1, strlen(dash + 1), (uint64_t)key->min, (uint64_t)key->max, &last,
                      NULL) ||
        first > last)
        return err_set(err, ERR_INVALID, "must be FIRST-LAST within %lld-%lld", (long long)key->min,
                       (long long)key->max);
    where[0] = (int)first;
    where[1] = (int)last;
    return 0;
}

static int set_provider(const char *text, enum config_provider *where, struct err *err)
{
    if (strcmp(text, "container") == 0)
        *where = CONFIG_PROVIDER_CONTAINER;
    else if (strcmp(text, "local") == 0)
        *where = CONFIG_PROVIDER_LOCAL;
    else
        return err_set(err, ERR_INVALID, "must be container or local");
    return 0;
}

static int set_log_format(const char *text, enum log_format *where, struct err *err)
{
    if (strcmp(text, "text") == 0)
        *where = LOG_FORMAT_TEXT;
    else if (strcmp(text, "json") == 0)
        *where = LOG_FORMAT_JSON;
    else
        return err_set(err, ERR_INVALID, "must be text or json");
    return 0;
}

static int set_list(const char *text, struct strv *where)
{
    strv_release(where);
    strv_split(where, text, ", \t");
    return 0;
}

int config_key_set(const struct config_key *key, const char *text, struct config *config,
                   struct err *err)
{
    void *where = place(key, config);
    switch (key->kind) {
    case CONFIG_STR:
    case CONFIG_SECRET:
        return set_text(key, text, where, err);
    case CONFIG_PATH:
        return set_path(text, where, err);
    case CONFIG_FILE:
    case CONFIG_SECRET_FILE:
        return set_file(key, text, where, err);
    case CONFIG_URL:
        return set_url(text, where, err);
    case CONFIG_ADDRESS:
        return set_address(text, where, err);
    case CONFIG_INT:
        return num_parse_int(text, (int)key->min, (int)key->max, where, err);
    case CONFIG_SECS:
        return num_parse_i64(text, key->min, key->max, where, err);
    case CONFIG_BYTES:
        return set_bytes(key, text, where, err);
    case CONFIG_CPUS:
        return set_cpus(key, text, where, err);
    case CONFIG_FLAG:
        return set_flag(text, where, err);
    case CONFIG_LIST:
        return set_list(text, where);
    case CONFIG_PROVIDER:
        return set_provider(text, where, err);
    case CONFIG_PORTS:
        return set_ports(key, text, where, err);
    case CONFIG_LOG_LEVEL:
        return log_level_parse(text, where)
                   ? err_set(err, ERR_INVALID, "must be error, warn, info or debug")
                   : 0;
    case CONFIG_LOG_FORMAT:
        return set_log_format(text, where, err);
    }
    return 0;
}

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static const char *const provider_names[] = {"", "container", "local"};

void config_key_print(const struct config_key *key, const struct config *config, struct str *out)
{
    const void *where = (const char *)config + key->offset;
    const int *number = where;
    const struct strv *list = where;
    const char *text;
    switch (key->kind) {
    case CONFIG_SECRET:
        str_adds(out, *(char *const *)where ? "(set)" : "");
        break;
    case CONFIG_STR:
    case CONFIG_PATH:
    case CONFIG_FILE:
    case CONFIG_SECRET_FILE:
    case CONFIG_URL:
    case CONFIG_ADDRESS:
        text = *(char *const *)where;
        if (text)
            str_add_printable(out, text, strlen(text));
        break;
    case CONFIG_INT:
        str_addf(out, "%d", *number);
        break;
    case CONFIG_SECS:
        str_addf(out, "%lld", (long long)*(const int64_t *)where);
        break;
    case CONFIG_BYTES:
        if (*(const uint64_t *)where)
            str_addf(out, "%llu", (unsigned long long)*(const uint64_t *)where);
        break;
    case CONFIG_CPUS:
        str_addf(out, "%d.%03d", *number / 1000, *number % 1000);
        break;
    case CONFIG_FLAG:
        str_adds(out, *(const bool *)where ? "1" : "");
        break;
    case CONFIG_LIST:
        for (size_t i = 0; i < list->len; i++) {
            str_adds(out, i ? "," : "");
            str_add_printable(out, list->v[i], strlen(list->v[i]));
        }
        break;
    case CONFIG_PROVIDER:
        str_adds(out, provider_names[*(const enum config_provider *)where]);
        break;
    case CONFIG_PORTS:
        str_addf(out, "%d-%d", number[0], number[1]);
        break;
    case CONFIG_LOG_LEVEL:
        str_adds(out, level_names[*(const enum log_level *)where]);
        break;
    case CONFIG_LOG_FORMAT:
        str_adds(out, *(const enum log_format *)where == LOG_FORMAT_JSON ? "json" : "text");
        break;
    }
}

void config_key_release(const struct config_key *key, struct config *config)
{
    switch (key->kind) {
    case CONFIG_STR:
    case CONFIG_SECRET:
    case CONFIG_PATH:
    case CONFIG_FILE:
    case CONFIG_SECRET_FILE:
    case CONFIG_URL:
    case CONFIG_ADDRESS:
        put_str(place(key, config), NULL);
        break;
    case CONFIG_LIST:
        strv_release(place(key, config));
        break;
    default:
        break;
    }
}
