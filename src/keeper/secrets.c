#include "keeper/secrets.h"

#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/url.h"
#include "keeper/request.h"

static int read_private(const char *path, struct str *out, struct err *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return err_errno(err, "read %s", path);
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077))
        return err_set(err, ERR_DENIED, "%s must be a file that only its owner can read (0600)",
                       path);
    return fd_read_file(AT_FDCWD, path, SECRETS_FILE_MAX, out, err);
}

/* Splits a line into host and token; false: malformed. Both empty for blank lines and comments. */
static bool split_line(const char *line, size_t n, const char **host, size_t *host_len,
                       const char **token, size_t *token_len)
{
    const char *end = line + n;
    const char *p = line;
    *host_len = *token_len = 0;
    while (end > p && strchr(" \t\r", end[-1]))
        end--;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    if (p == end || *p == '#')
        return true;
    *host = p;
    while (p < end && *p != ' ' && *p != '\t')
        p++;
    *host_len = (size_t)(p - *host);
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    *token = p;
    *token_len = (size_t)(end - p);
    for (; p < end; p++)
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p > 0x7e)
            return false;
    return *token_len > 0 && *token_len <= KEEPER_SECRET_MAX && *host_len <= URL_HOST_MAX;
}

int secrets_find_token(const char *text, size_t len, const char *host, struct str *out,
                       struct err *err)
{
    size_t line_no = 0;
    bool found = false;
    for (size_t at = 0; at < len;) {
        const char *line = text + at;
        const char *nl = memchr(line, '\n', len - at);
        size_t n = nl ? (size_t)(nl - line) : len - at;
        const char *h = NULL;
        const char *t = NULL;
        size_t hn = 0;
        size_t tn = 0;
        line_no++;
        at += n + 1;
        if (memchr(line, '\0', n) || !split_line(line, n, &h, &hn, &t, &tn))
            return err_set(err, ERR_INVALID, "line %zu is not \"host token\"", line_no);
        if (!found && hn > 0 && hn == strlen(host) && strncasecmp(h, host, hn) == 0) {
            str_add(out, t, tn);
            found = true;
        }
    }
    return found ? 0 : ERR_NOT_FOUND;
}

static int add_forge_token(const struct secrets_files *files, const char *host,
                           struct json_object *out, struct err *err)
{
    cleanup_str_secret struct str text = STR_INIT;
    cleanup_str_secret struct str secret = STR_INIT;
    if (!files->forge_tokens)
        return 0;
    int rc = read_private(files->forge_tokens, &text, err);
    if (rc == 0)
        rc = secrets_find_token(text.p, text.len, host, &secret, err);
    if (rc == ERR_NOT_FOUND && (!err || !err->code))
        return 0;
    if (rc)
        return err_wrap(err, "STEADYSTATE_FORGE_TOKENS_FILE");
    struct json_object *token = json_object_new_object();
    json_add_str(token, "host", host);
    json_add_str(token, "username", SECRETS_USERNAME);
    json_add_str(token, "secret", secret.p);
    json_add(out, "token", token);
    return 0;
}

static int add_ssh(const struct secrets_files *files, struct json_object *out, struct err *err)
{
    cleanup_str_secret struct str key = STR_INIT;
    cleanup_str struct str hosts = STR_INIT;
    int rc;
    if (files->deploy_key) {
        if ((rc = read_private(files->deploy_key, &key, err)) != 0)
            return err_wrap(err, "STEADYSTATE_DEPLOY_KEY");
        json_add_strn(out, "deploy_key", key.p, key.len);
    }
    if (files->known_hosts) {
        rc = fd_read_file(AT_FDCWD, files->known_hosts, SECRETS_FILE_MAX, &hosts, err);
        if (rc)
            return err_wrap(err, "STEADYSTATE_KNOWN_HOSTS");
        json_add_strn(out, "known_hosts", hosts.p, hosts.len);
    }
    return 0;
}

/* Whether `given` is for this host, or for this host and port. */
static bool is_for(struct json_object *given, const struct repo_url *repo)
{
    const char *its = NULL;
    cleanup_str struct str with_port = STR_INIT;
    int port = repo->port ? repo->port : repo->kind == REPO_HTTPS ? 443 : 80;
    url_add_host_port(&with_port, repo->host, port);
    return given && json_get_str(given, "host", KEEPER_HOST_MAX, &its, NULL) == 0 &&
           (strcasecmp(its, repo->host) == 0 || strcasecmp(its, with_port.p) == 0);
}

int secrets_hello(const struct secrets_files *files, const struct session_spec *spec,
                  struct json_object *given, struct json_object **out, struct err *err)
{
    cleanup_repo_url struct repo_url repo = {0};
    *out = NULL;
    int rc = repo_url_parse(spec->repo_url, strlen(spec->repo_url), &repo, err);
    if (rc)
        return rc;
    cleanup_json struct json_object *hello = json_object_new_object();
    if (repo.kind == REPO_SSH)
        rc = add_ssh(files, hello, err);
    else if (repo.host && is_for(given, &repo))
        json_add(hello, "token", json_object_get(given));
    else if (repo.host)
        rc = add_forge_token(files, repo.host, hello, err);
    if (rc == 0)
        *out = steal(&hello);
    return rc;
}
