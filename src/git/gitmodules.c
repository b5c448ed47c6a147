#include "git/gitmodules.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "git/safe_path.h"

#define END (-1)

struct reader {
    const unsigned char *p;
    size_t len;
    size_t at;
};

static int peek(const struct reader *r)
{
    return r->at < r->len ? r->p[r->at] : END;
}

/* The next byte; a line end of two bytes is one. */
static int next(struct reader *r)
{
    if (r->at >= r->len)
        return END;
    if (r->p[r->at] == '\r' && r->at + 1 < r->len && r->p[r->at + 1] == '\n')
        r->at++;
    return r->p[r->at++];
}

static bool is_blank(int c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static bool is_key(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

static void skip_blanks(struct reader *r)
{
    while (is_blank(peek(r)))
        r->at++;
}

static void skip_line(struct reader *r)
{
    int c;
    do
        c = next(r);
    while (c != '\n' && c != END);
}

static int malformed(const char *what, struct err *err)
{
    return err_set(err, ERR_INVALID, ".gitmodules: %s", what);
}

/* --- sections ----------------------------------------------------------------------------------
 */

static struct gitmodule *find_or_add(struct gitmodules *out, const char *name)
{
    for (size_t i = 0; i < out->len; i++)
        if (strcmp(out->v[i].name, name) == 0)
            return &out->v[i];
    if (out->len == GITMODULES_ENTRIES_MAX) {
        out->more = true;
        return NULL;
    }
    out->v[out->len] = (struct gitmodule){.name = xstrdup(name)};
    return &out->v[out->len++];
}

/* What stands between quotes. */
static int read_subsection(struct reader *r, struct str *out, struct err *err)
{
    for (;;) {
        int c = next(r);
        if (c == '"')
            return 0;
        if (c == '\\')
            c = next(r);
        if (c == END || c == '\n' || c == 0)
            return malformed("a section's name without an end", err);
        str_addc(out, (char)c);
    }
}

/* After "[". *now: the submodule that the following keys are of, NULL: of none. */
static int read_section(struct reader *r, struct gitmodules *out, struct gitmodule **now,
                        struct err *err)
{
    cleanup_str struct str section = STR_INIT;
    cleanup_str struct str name = STR_INIT;
    bool named = false;
    while (is_key(peek(r)) || peek(r) == '.')
        str_addc(&section, (char)next(r));
    skip_blanks(r);
    if (peek(r) == '"') {
        r->at++;
        named = true;
        int rc = read_subsection(r, &name, err);
        if (rc < 0)
            return rc;
    }
    if (next(r) != ']')
        return malformed("a section without an end", err);
    *now = named && strcasecmp(section.p, "submodule") == 0 ? find_or_add(out, name.p) : NULL;
    return 0;
}

/* --- keys --------------------------------------------------------------------------------------
 */

static int unescape(int c)
{
    switch (c) {
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'n':
        return '\n';
    case '\\':
    case '"':
        return c;
    default:
        return END;
    }
}

/* Up to the end of the line, as git reads a value. */
static int read_value(struct reader *r, struct str *out, struct err *err)
{
    bool quoted = false;
    size_t blanks = 0;
    for (;;) {
        int c = next(r);
        if (c == '\n' || c == END)
            return quoted ? malformed("a quote without an end", err) : 0;
        if (c == 0)
            return malformed("a NUL byte", err);
        if (is_blank(c) && !quoted) {
            blanks += out->len > 0;
            continue;
        }
        if (!quoted && (c == ';' || c == '#')) {
            skip_line(r);
            return 0;
        }
        for (; blanks; blanks--)
            str_addc(out, ' ');
        if (c == '"') {
            quoted = !quoted;
            continue;
        }
        if (c == '\\') {
            c = next(r);
            if (c == '\n')
                continue;
            c = unescape(c);
            if (c == END)
                return malformed("an escape that is none", err);
        }
        str_addc(out, (char)c);
    }
}

static void keep(struct gitmodule *now, const char *key, struct str *value)
{
    char **to = strcasecmp(key, "path") == 0  ? &now->path
                : strcasecmp(key, "url") == 0 ? &now->url
                                              : NULL;
    if (!to)
        return;
    free(*to);
    *to = str_detach(value);
}

static int read_key(struct reader *r, struct gitmodule *now, struct err *err)
{
    cleanup_str struct str key = STR_INIT;
    cleanup_str struct str value = STR_INIT;
    while (is_key(peek(r)))
        str_addc(&key, (char)next(r));
    skip_blanks(r);
    int c = next(r);
    if (key.len == 0 || (c != '=' && c != '\n' && c != END))
        return malformed("a line that is no setting", err);
    if (c != '=')
        return 0;
    int rc = read_value(r, &value, err);
    if (rc == 0 && now)
        keep(now, key.p, &value);
    return rc;
}

/* --- the file ----------------------------------------------------------------------------------
 */

void gitmodules_release(struct gitmodules *m)
{
    for (size_t i = 0; i < m->len; i++) {
        free(m->v[i].name);
        free(m->v[i].path);
        free(m->v[i].url);
    }
    m->len = 0;
}

int gitmodules_parse(const char *p, size_t len, struct gitmodules *out, struct err *err)
{
    static const char mark[] = "\xef\xbb\xbf";
    struct reader r = {.p = (const unsigned char *)p, .len = len};
    struct gitmodule *now = NULL;
    *out = (struct gitmodules){.len = 0};
    if (len > GITMODULES_BYTES_MAX)
        return err_set(err, ERR_LIMIT, ".gitmodules is longer than %zu bytes",
                       GITMODULES_BYTES_MAX);
    if (len >= 3 && memcmp(p, mark, 3) == 0)
        r.at = 3;
    int rc = 0;
    while (rc == 0 && peek(&r) != END) {
        int c = peek(&r);
        if (is_blank(c) || c == '\n')
            r.at++;
        else if (c == '#' || c == ';')
            skip_line(&r);
        else if (c == '[')
            rc = (r.at++, read_section(&r, out, &now, err));
        else
            rc = read_key(&r, now, err);
    }
    if (rc < 0)
        gitmodules_release(out);
    return rc;
}

/* --- what may be fetched -----------------------------------------------------------------------
 */

static bool is_plain(const char *text)
{
    size_t len = strlen(text);
    if (len > GITMODULES_NAME_MAX || text[0] == '-' || !safe_path(text, len))
        return false;
    if (!str_is_utf8(text, len))
        return false;
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
    return true;
}

int gitmodule_check(const struct gitmodule *m, struct err *err)
{
    if (!is_plain(m->name))
        return err_set(err, ERR_DENIED, "its name cannot be a directory");
    if (!m->path || !is_plain(m->path))
        return err_set(err, ERR_DENIED, "its path cannot be in a worktree");
    if (!m->url)
        return err_set(err, ERR_DENIED, "it has no url");
    return 0;
}

static int port_of(const struct repo_url *u)
{
    return u->port ? u->port : u->kind == REPO_HTTPS ? 443 : 80;
}

static bool same_origin(const struct repo_url *a, const struct repo_url *b)
{
    return a->kind == b->kind && (a->kind == REPO_HTTPS || a->kind == REPO_HTTP) &&
           strcmp(a->host, b->host) == 0 && port_of(a) == port_of(b);
}

static bool has_dots(const char *path)
{
    while (*path) {
        size_t n = strcspn(path, "/");
        if ((n == 1 && path[0] == '.') || (n == 2 && path[0] == '.' && path[1] == '.'))
            return true;
        path += n + (path[n] == '/');
    }
    return false;
}

/* Appends base's URL with the relative text applied. */
static int apply(const struct repo_url *base, const char *text, struct str *out, struct err *err)
{
    cleanup_str struct str path = STR_INIT;
    str_adds(&path, base->path);
    for (;;) {
        while (path.len && path.p[path.len - 1] == '/')
            str_truncate(&path, path.len - 1);
        if (strncmp(text, "./", 2) == 0) {
            text += 2;
        } else if (strncmp(text, "../", 3) == 0) {
            if (path.len == 0)
                return err_set(err, ERR_DENIED, "its url leads out of the host");
            while (path.len && path.p[path.len - 1] != '/')
                str_truncate(&path, path.len - 1);
            text += 3;
        } else {
            break;
        }
        text += strspn(text, "/");
    }
    str_adds(out, base->kind == REPO_HTTPS ? "https://" : "http://");
    url_add_host_port(out, base->host, base->port);
    str_adds(out, path.p);
    if (*text)
        str_addf(out, "/%s", text);
    return 0;
}

int gitmodule_resolve(const struct repo_url *base, const char *text, struct repo_url *out,
                      struct err *err)
{
    cleanup_str struct str url = STR_INIT;
    *out = (struct repo_url){.url = NULL};
    if (base->kind != REPO_HTTPS && base->kind != REPO_HTTP)
        return err_set(err, ERR_DENIED, "only those of an https repository are fetched");
    int rc = 0;
    if (str_starts_with(text, "./") || str_starts_with(text, "../"))
        rc = apply(base, text, &url, err);
    else
        str_adds(&url, text);
    if (rc == 0)
        rc = repo_url_parse(url.p, url.len, out, err);
    if (rc == 0 && !same_origin(base, out))
        rc = err_set(err, ERR_DENIED, "it is not at the address of the session's repository");
    if (rc == 0 && has_dots(out->path))
        rc = err_set(err, ERR_DENIED, "its url is not a plain one");
    if (rc < 0)
        repo_url_release(out);
    return rc;
}
