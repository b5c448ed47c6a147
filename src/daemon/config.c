#include "daemon/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/enc.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "daemon/config_keys.h"

#define PREFIX "STEADYSTATE_"
#define SECRET_FILE "jwt_secret"
#define SECRET_BYTES 32

/* Other programs' variables with our prefix, which may stand in the same environment. */
static const char *const foreign[] = {
    "STEADYSTATE_BACKEND",
    "STEADYSTATE_CONFIG_DIR",
    "STEADYSTATE_NO_KEYRING",
    "STEADYSTATE_USERNAME",
};

void config_init(struct config *config)
{
    memset(config, 0, sizeof *config);
}

void config_release(struct config *config)
{
    for (size_t i = 0; i < n_config_keys; i++)
        config_key_release(&config_keys[i], config);
    free(config->database_path);
    config_init(config);
}

/* Which keys have been set, so that the file does not override the environment. */
struct loading {
    struct config *config;
    bool *seen;
};

static int set_named(struct loading *l, const struct config_key *key, const char *value,
                     struct err *err)
{
    size_t index = (size_t)(key - config_keys);
    if (l->seen[index] || !*value)
        return 0;
    l->seen[index] = true;
    if (strlen(value) > CONFIG_VALUE_MAX)
        return err_set(err, ERR_INVALID, "%s: longer than %d bytes", key->name, CONFIG_VALUE_MAX);
    if (config_key_set(key, value, l->config, err)) {
        err_wrap(err, "%s", key->name);
        return ERR_INVALID;
    }
    return 0;
}

static bool is_foreign(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
        if (strlen(foreign[i]) == len && memcmp(foreign[i], name, len) == 0)
            return true;
    return false;
}

static int load_env(struct loading *l, char *const *env, const char **home, struct err *err)
{
    for (; env && *env; env++) {
        const char *eq = strchr(*env, '=');
        if (!eq)
            continue;
        size_t n = (size_t)(eq - *env);
        if (n == 4 && memcmp(*env, "HOME", 4) == 0)
            *home = eq + 1;
        const struct config_key *key = config_key_find(*env, n);
        if (!key && str_starts_with(*env, PREFIX) && !is_foreign(*env, n))
            return err_set(err, ERR_INVALID, "%.*s: no such variable", (int)n, *env);
        int rc = key ? set_named(l, key, eq + 1, err) : 0;
        if (rc)
            return rc;
    }
    return 0;
}

static char *trim(char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    size_t n = strlen(p);
    while (n && strchr(" \t\r", p[n - 1]))
        p[--n] = '\0';
    return p;
}

static char *unquote(char *p)
{
    size_t n = strlen(p);
    if (n >= 2 && (p[0] == '"' || p[0] == '\'') && p[n - 1] == p[0]) {
        p[n - 1] = '\0';
        return p + 1;
    }
    return p;
}

static int load_line(struct loading *l, char *line, size_t number, struct err *err)
{
    line = trim(line);
    if (!*line || *line == '#')
        return 0;
    char *eq = strchr(line, '=');
    if (!eq)
        return err_set(err, ERR_INVALID, "line %zu: not KEY=value", number);
    *eq = '\0';
    char *name = trim(line);
    const struct config_key *key = config_key_find(name, strlen(name));
    if (!key)
        return err_set(err, ERR_INVALID, "line %zu: %.64s: no such variable", number, name);
    return set_named(l, key, unquote(trim(eq + 1)), err);
}

static int load_file(struct loading *l, const char *path, struct err *err)
{
    cleanup_str_secret struct str text = STR_INIT;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "%s", path);
    cleanup_close int owned = fd;
    int rc = fd_read_all(owned, CONFIG_FILE_MAX, &text, err);
    if (!rc && strlen(text.p) != text.len)
        rc = err_set(err, ERR_INVALID, "has a NUL byte");
    char *next = text.p;
    for (size_t number = 1; !rc && next; number++) {
        char *line = next;
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        rc = load_line(l, line, number, err);
    }
    if (rc)
        err_wrap(err, "%s", path);
    return rc;
}

static int load_defaults(struct loading *l, struct err *err)
{
    for (size_t i = 0; i < n_config_keys; i++) {
        const struct config_key *key = &config_keys[i];
        int rc = key->fallback ? set_named(l, key, key->fallback, err) : 0;
        if (rc)
            return rc;
    }
    return 0;
}

int config_load(char *const *env, const char *path, struct config *out, struct err *err)
{
    struct err own = ERR_INIT;
    err = err ? err : &own;
    config_init(out);
    cleanup_free bool *seen = xcalloc(n_config_keys, sizeof *seen);
    struct loading l = {out, seen};
    const char *home = NULL;
    int rc = load_env(&l, env, &home, err);
    if (!rc && path)
        rc = load_file(&l, path, err);
    if (!rc)
        rc = load_defaults(&l, err);
    if (!rc)
        rc = config_finish(home, out, err);
    if (rc)
        config_release(out);
    return rc;
}

/* The directory may have been made by hand, so its mode is looked at too. */
static int prepare_dir(const char *path, struct err *err)
{
    int rc = path_make_dirs(path, 0700, err);
    if (rc) {
        err_wrap(err, "STEADYSTATE_STATE_DIR");
        return rc;
    }
    struct stat st;
    if (stat(path, &st))
        return err_errno(err, "STEADYSTATE_STATE_DIR: %s", path);
    if (st.st_uid != geteuid() || st.st_mode & 022)
        return err_set(err, ERR_INVALID,
                       "STEADYSTATE_STATE_DIR: %s belongs to somebody else or is open to others "
                       "(chmod 700)",
                       path);
    return 0;
}

static int read_secret(int dir, struct str *out, struct err *err)
{
    struct stat st;
    int rc = fd_read_file(dir, SECRET_FILE, 4096, out, err);
    if (rc)
        return rc;
    if (fstatat(dir, SECRET_FILE, &st, AT_SYMLINK_NOFOLLOW))
        return err_errno(err, SECRET_FILE);
    if (st.st_mode & 077)
        return err_set(err, ERR_INVALID, SECRET_FILE " is open to others (chmod 600)");
    while (out->len && out->p[out->len - 1] == '\n')
        str_truncate(out, out->len - 1);
    if (out->len < CONFIG_JWT_SECRET_MIN)
        return err_set(err, ERR_INVALID, SECRET_FILE " is shorter than %d bytes",
                       CONFIG_JWT_SECRET_MIN);
    return 0;
}

static int make_secret(int dir, struct str *out, struct err *err)
{
    unsigned char raw[SECRET_BYTES];
    rnd_bytes(raw, sizeof raw);
    str_clear(out);
    enc_hex(out, raw, sizeof raw);
    mem_wipe(raw, sizeof raw);
    return fd_write_file(dir, SECRET_FILE, out->p, out->len, 0600, err);
}

int config_prepare(struct config *config, struct err *err)
{
    struct err own = ERR_INIT;
    err = err ? err : &own;
    int rc = prepare_dir(config->state_dir, err);
    if (rc || config->jwt_secret)
        return rc;
    cleanup_close int dir = open(config->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return err_errno(err, "%s", config->state_dir);
    cleanup_str_secret struct str secret = STR_INIT;
    rc = read_secret(dir, &secret, err);
    if (rc == ERR_NOT_FOUND) {
        err_clear(err);
        rc = make_secret(dir, &secret, err);
    }
    if (rc) {
        err_wrap(err, "%s", config->state_dir);
        return rc;
    }
    config->jwt_secret = str_detach(&secret);
    return 0;
}

void config_print(const struct config *config, struct str *out)
{
    for (size_t i = 0; i < n_config_keys; i++) {
        str_addf(out, "%s=", config_keys[i].name);
        config_key_print(&config_keys[i], config, out);
        str_addc(out, '\n');
    }
}
