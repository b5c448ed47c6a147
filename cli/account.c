#include "account.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "base/url.h"
#include "keyring.h"

void account_release(struct account *a)
{
    free(a->server);
    free(a->login);
    free(a->provider);
    free_secret(a->jwt);
    memset(a, 0, sizeof *a);
}

char *account_config_dir(struct err *err)
{
    const char *own = getenv("STEADYSTATE_CONFIG_DIR"), *xdg = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    cleanup_free char *dir = NULL;
    if (own && *own)
        dir = xstrdup(own);
    else if (xdg && *xdg == '/')
        dir = path_join(xdg, "steadystate");
    else if (home && *home == '/')
        dir = path_join(home, ".config/steadystate");
    if (!dir) {
        err_set(err, ERR_INVALID, "neither STEADYSTATE_CONFIG_DIR nor HOME is set");
        return NULL;
    }
    if (path_make_dirs(dir, 0700, err))
        return NULL;
    return steal(&dir);
}

/* As a directory name: the server's address with everything odd made "_". */
static char *server_dir(const char *config_dir, const char *server)
{
    struct str s = STR_INIT;
    str_addf(&s, "%s/servers/", config_dir);
    size_t start = s.len;
    str_adds(&s, server);
    for (size_t i = start; i < s.len; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.", s.p[i]))
            s.p[i] = '_';
    return str_detach(&s);
}

/* A private file as ssh reads its own: ours, regular, no rights for others. */
static int read_private(const char *path, struct str *out, struct err *err)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(err, "%s", path);
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077))
        return err_set(err, ERR_DENIED, "%s must be a file of yours that nobody else can read",
                       path);
    return fd_read_all(fd, ACCOUNT_FILE_MAX, out, err);
}

static int load_file(const char *dir, struct account *out, struct err *err)
{
    cleanup_free char *path = path_join(dir, "session.json");
    cleanup_str_secret struct str text = STR_INIT;
    int rc = read_private(path, &text, err);
    if (rc)
        return rc;
    cleanup_json struct json_object *obj = NULL;
    const char *server = NULL, *login = NULL, *provider = NULL, *jwt = NULL;
    if ((rc = json_parse(text.p, text.len, &obj, err)) ||
        (rc = json_get_str(obj, "server", URL_MAX, &server, err)) ||
        (rc = json_opt_str(obj, "login", 256, &login, err)) ||
        (rc = json_opt_str(obj, "provider", 64, &provider, err)) ||
        (rc = json_opt_str(obj, "jwt", 16384, &jwt, err)) ||
        (rc = json_opt_i64(obj, "jwt_exp", 0, INT64_MAX, &out->jwt_exp, err)))
        return err_wrap(err, "%s", path);
    out->server = xstrdup(server);
    out->login = login ? xstrdup(login) : NULL;
    out->provider = provider ? xstrdup(provider) : NULL;
    out->jwt = jwt ? xstrdup(jwt) : NULL;
    return 0;
}

/* Finds the login for `server` (NULL: the current one) and the directory that holds it. */
static int locate(const char *config_dir, const char *server, struct account *out, char **dir,
                  struct err *err)
{
    struct err first = ERR_INIT;
    memset(out, 0, sizeof *out);
    int rc = load_file(config_dir, out, &first);
    if (rc && rc != ERR_NOT_FOUND)
        return err_set(err, rc, "%s", first.msg);
    if (rc == 0 && (!server || strcmp(server, out->server) == 0)) {
        *dir = xstrdup(config_dir);
        return 0;
    }
    account_release(out);
    if (!server)
        return ERR_NOT_FOUND;
    cleanup_free char *other = server_dir(config_dir, server);
    err_clear(&first);
    rc = load_file(other, out, &first);
    if (rc && rc != ERR_NOT_FOUND)
        return err_set(err, rc, "%s", first.msg);
    if (rc == 0)
        *dir = steal(&other);
    return rc;
}

static char *normal_server(const char *server)
{
    size_t n = strlen(server);
    while (n && server[n - 1] == '/')
        n--;
    return xstrndup(server, n);
}

int account_load(const char *server, struct account *out, struct err *err)
{
    memset(out, 0, sizeof *out);
    cleanup_free char *config_dir = account_config_dir(err);
    if (!config_dir)
        return err ? err->code : ERR_FAILED;
    const char *env = getenv("STEADYSTATE_BACKEND");
    if (!server && env && *env)
        server = env;
    cleanup_free char *wanted = server ? normal_server(server) : NULL;
    cleanup_free char *dir = NULL;
    int rc = locate(config_dir, wanted, out, &dir, err);
    if (rc == ERR_NOT_FOUND) {
        out->server = wanted ? steal(&wanted) : xstrdup(ACCOUNT_DEFAULT_SERVER);
        rc = 0;
    }
    return rc;
}

static int write_account(const char *dir, const struct account *a, struct err *err)
{
    cleanup_json struct json_object *obj = json_object_new_object();
    json_add_str(obj, "server", a->server);
    json_add_str(obj, "login", a->login);
    json_add_str(obj, "provider", a->provider);
    json_add_str(obj, "jwt", a->jwt);
    json_add_i64(obj, "jwt_exp", a->jwt_exp);
    cleanup_str_secret struct str text = STR_INIT;
    json_print(obj, &text);
    str_addc(&text, '\n');
    cleanup_free char *path = path_join(dir, "session.json");
    return fd_write_file(AT_FDCWD, path, text.p, text.len, 0600, err);
}

static int move_file(const char *from_dir, const char *to_dir, const char *name, struct err *err)
{
    cleanup_free char *from = path_join(from_dir, name);
    cleanup_free char *to = path_join(to_dir, name);
    if (rename(from, to) < 0 && errno != ENOENT)
        return err_errno(err, "move %s", from);
    return 0;
}

/* Puts the login that lies at the top away, unless it is for `server`. */
static int put_away_current(const char *config_dir, const char *server, struct err *err)
{
    cleanup_account struct account current = {0};
    if (load_file(config_dir, &current, NULL) || strcmp(current.server, server) == 0)
        return 0;
    cleanup_free char *dir = server_dir(config_dir, current.server);
    int rc = path_make_dirs(dir, 0700, err);
    /* The token first: a crash in between leaves a login that says "log in again". */
    if (rc == 0)
        rc = move_file(config_dir, dir, "refresh_token", err);
    return rc ? rc : move_file(config_dir, dir, "session.json", err);
}

static int take_back(const char *config_dir, const char *server, struct err *err)
{
    cleanup_free char *dir = server_dir(config_dir, server);
    int rc = move_file(dir, config_dir, "refresh_token", err);
    return rc ? rc : move_file(dir, config_dir, "session.json", err);
}

/* Into the keyring, or else into the file; never into both. */
static int save_token(const char *config_dir, const struct account *a, const char *token,
                      char **why_file, struct err *err)
{
    cleanup_free char *path = path_join(config_dir, "refresh_token");
    struct err reason = ERR_INIT;
    if (keyring_store(a->server, a->login, token, &reason) == 0) {
        if (unlink(path) < 0 && errno != ENOENT)
            return err_errno(err, "remove %s", path);
        return 0;
    }
    if (why_file)
        *why_file = xstrdup(reason.msg);
    return fd_write_file(AT_FDCWD, path, token, strlen(token), 0600, err);
}

int account_save(const struct account *a, const char *refresh_token, char **why_file,
                 struct err *err)
{
    cleanup_free char *config_dir = account_config_dir(err);
    if (why_file)
        *why_file = NULL;
    if (!config_dir)
        return err ? err->code : ERR_FAILED;
    int rc = put_away_current(config_dir, a->server, err);
    if (rc == 0)
        rc = take_back(config_dir, a->server, err);
    if (rc == 0 && refresh_token)
        rc = save_token(config_dir, a, refresh_token, why_file, err);
    return rc ? rc : write_account(config_dir, a, err);
}

int account_refresh_token(const struct account *a, char **out, struct err *err)
{
    cleanup_free char *config_dir = account_config_dir(err);
    if (!config_dir)
        return err ? err->code : ERR_FAILED;
    cleanup_account struct account found = {0};
    cleanup_free char *dir = NULL;
    int rc = locate(config_dir, a->server, &found, &dir, err);
    cleanup_str_secret struct str text = STR_INIT;
    struct err why = ERR_INIT;
    if (rc == 0) {
        cleanup_free char *path = path_join(dir, "refresh_token");
        rc = read_private(path, &text, &why);
    }
    if (rc == ERR_NOT_FOUND && keyring_lookup(a->server, out, NULL) == 0)
        return 0;
    if (rc == ERR_NOT_FOUND)
        return err_set(err, ERR_UNAUTHENTICATED, "not logged in at %s", a->server);
    if (rc)
        return err_set(err, rc, "%s", why.msg);
    *out = xstrndup(text.p, strcspn(text.p, "\r\n"));
    return 0;
}

int account_forget(const struct account *a, struct err *err)
{
    cleanup_free char *config_dir = account_config_dir(err);
    if (!config_dir)
        return err ? err->code : ERR_FAILED;
    cleanup_account struct account found = {0};
    cleanup_free char *dir = NULL;
    int rc = locate(config_dir, a->server, &found, &dir, err);
    if (rc)
        return rc == ERR_NOT_FOUND ? 0 : rc;
    cleanup_free char *token = path_join(dir, "refresh_token");
    keyring_erase(a->server, NULL);
    if (unlink(token) < 0 && errno != ENOENT)
        return err_errno(err, "remove %s", token);
    /* The server stays remembered, only the login goes. */
    struct account empty = {.server = a->server};
    return write_account(dir, &empty, err);
}

int account_lock(struct err *err)
{
    cleanup_free char *config_dir = account_config_dir(err);
    if (!config_dir)
        return err ? err->code : ERR_FAILED;
    cleanup_free char *path = path_join(config_dir, "refresh.lock");
    return fd_lock_file(AT_FDCWD, path, 30000, err);
}
