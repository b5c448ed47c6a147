#include "auth/users.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "proto/spec.h"

struct person {
    char *login;
    struct strv keys;
};

/* What tells one state of the file from another. */
struct stamp {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec mtime, ctime;
};

struct users {
    char *path;
    pthread_mutex_t lock;
    struct stamp stamp;
    bool loaded;
    struct person *people;
    size_t len, cap;
};

static void forget(struct users *u)
{
    for (size_t i = 0; i < u->len; i++) {
        free(u->people[i].login);
        strv_release(&u->people[i].keys);
    }
    u->len = 0;
    u->loaded = false;
}

int users_open(const char *path, struct users **out, struct err *err)
{
    struct users *u = xcalloc(1, sizeof *u);
    u->path = xstrdup(path);
    if (pthread_mutex_init(&u->lock, NULL)) {
        free(u->path);
        free(u);
        return err_set(err, ERR_FAILED, "cannot make a lock");
    }
    *out = u;
    return 0;
}

void users_close(struct users *u)
{
    if (!u)
        return;
    forget(u);
    pthread_mutex_destroy(&u->lock);
    free(u->people);
    free(u->path);
    free(u);
}

static struct person *find(struct users *u, const char *login, size_t len)
{
    for (size_t i = 0; i < u->len; i++)
        if (strlen(u->people[i].login) == len && memcmp(u->people[i].login, login, len) == 0)
            return &u->people[i];
    return NULL;
}

static struct person *add_person(struct users *u, const char *login, size_t len)
{
    VEC_GROW(u->people, u->len, u->cap);
    u->people[u->len] = (struct person){xstrndup(login, len), STRV_INIT};
    return &u->people[u->len++];
}

static const char *take_line(struct users *u, const char *line, size_t len)
{
    while (len && (*line == ' ' || *line == '\t')) {
        line++;
        len--;
    }
    while (len && strchr(" \t\r", line[len - 1]))
        len--;
    if (len == 0 || *line == '#')
        return NULL;
    size_t n = 0;
    while (n < len && line[n] != ' ' && line[n] != '\t')
        n++;
    cleanup_free char *login = xstrndup(line, n);
    if (strlen(login) != n || !spec_login_is_valid(login))
        return "not a login";
    cleanup_ssh_key struct ssh_key key;
    struct err err = ERR_INIT;
    if (ssh_key_parse_line(line + n, len - n, &key, &err))
        return err.code == ERR_UNSUPPORTED ? "not an allowed key type" : "malformed key";
    struct person *p = find(u, login, n);
    if (!p && u->len == USERS_MAX)
        return "too many logins";
    if (!p)
        p = add_person(u, login, n);
    if (p->keys.len == USERS_KEYS_MAX)
        return "too many keys of one login";
    cleanup_str struct str text = STR_INIT;
    ssh_key_format(&key, &text);
    if (!strv_has(&p->keys, text.p))
        strv_push(&p->keys, text.p);
    return NULL;
}

static void take_text(struct users *u, const struct str *text)
{
    const char *p = text->p, *end = p + text->len;
    for (size_t number = 1; p < end; number++) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        size_t len = (size_t)((nl ? nl : end) - p);
        const char *wrong = take_line(u, p, len);
        if (wrong)
            log_warn("%s line %zu is left out: %s", u->path, number, wrong);
        p += len + (nl != NULL);
    }
}

static struct stamp stamp_of(const struct stat *st)
{
    struct stamp s;
    memset(&s, 0, sizeof s);
    s.dev = st->st_dev;
    s.ino = st->st_ino;
    s.size = st->st_size;
    s.mtime = st->st_mtim;
    s.ctime = st->st_ctim;
    return s;
}

static int check_owner(const struct users *u, const struct stat *st, struct err *err)
{
    if (!S_ISREG(st->st_mode))
        return err_set(err, ERR_UNAVAILABLE, "%s is not a regular file", u->path);
    if (st->st_mode & 022 || (st->st_uid != 0 && st->st_uid != geteuid()))
        return err_set(err, ERR_UNAVAILABLE,
                       "%s could be written by others: it must belong to root or the server, with "
                       "mode 644 or less",
                       u->path);
    return 0;
}

static int load(struct users *u, struct err *err)
{
    cleanup_close int fd = open(u->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st)) {
        forget(u);
        return err_set(err, ERR_UNAVAILABLE, "%s: %s", u->path, strerror(errno));
    }
    struct stamp now = stamp_of(&st);
    if (u->loaded && memcmp(&now, &u->stamp, sizeof now) == 0)
        return 0;
    forget(u);
    int rc = check_owner(u, &st, err);
    if (rc)
        return rc;
    cleanup_str struct str text = STR_INIT;
    rc = fd_read_all(fd, USERS_FILE_MAX, &text, err);
    if (rc) {
        err_wrap(err, "%s", u->path);
        return ERR_UNAVAILABLE;
    }
    take_text(u, &text);
    u->stamp = now;
    u->loaded = true;
    return 0;
}

static int keys_of(struct users *u, const char *login, const struct strv **keys, struct err *err)
{
    int rc = load(u, err);
    if (rc)
        return rc;
    struct person *p = find(u, login, strlen(login));
    if (!p)
        return err_set(err, ERR_NOT_FOUND, "no such login");
    *keys = &p->keys;
    return 0;
}

int users_keys(struct users *u, const char *login, struct strv *keys, struct err *err)
{
    const struct strv *found = NULL;
    pthread_mutex_lock(&u->lock);
    int rc = keys_of(u, login, &found, err);
    for (size_t i = 0; rc == 0 && i < found->len; i++)
        strv_push(keys, found->v[i]);
    pthread_mutex_unlock(&u->lock);
    return rc;
}

int users_check(struct users *u, const char *login, const struct ssh_key *key, struct err *err)
{
    cleanup_str struct str text = STR_INIT;
    ssh_key_format(key, &text);
    const struct strv *found = NULL;
    pthread_mutex_lock(&u->lock);
    int rc = keys_of(u, login, &found, err);
    bool has = rc == 0 && strv_has(found, text.p);
    pthread_mutex_unlock(&u->lock);
    if (rc == ERR_UNAVAILABLE)
        return rc;
    if (!has) {
        err_clear(err);
        return err_set(err, ERR_DENIED, "this key is not one of that login's");
    }
    return 0;
}

int users_each(struct users *u,
               int (*each)(const char *login, const struct strv *keys, void *payload,
                           struct err *err),
               void *payload, struct err *err)
{
    pthread_mutex_lock(&u->lock);
    int rc = load(u, err);
    for (size_t i = 0; rc == 0 && i < u->len; i++)
        rc = each(u->people[i].login, &u->people[i].keys, payload, err);
    pthread_mutex_unlock(&u->lock);
    return rc;
}
