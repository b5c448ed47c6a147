#include "agent/accounts.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/mem.h"
#include "proto/spec.h"

void accounts_init(struct accounts *a)
{
    *a = (struct accounts){.taken = STRV_INIT};
}

void accounts_release(struct accounts *a)
{
    for (size_t i = 0; i < a->len; i++) {
        free(a->v[i].login);
        free(a->v[i].provider);
        free(a->v[i].name);
    }
    free(a->v);
    strv_release(&a->taken);
    accounts_init(a);
}

void accounts_take_system_names(struct accounts *a, const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t line = end ? (size_t)(end - (text + at)) : len - at;
        const char *colon = memchr(text + at, ':', line);
        if (colon && colon > text + at)
            strv_push_take(&a->taken, xstrndup(text + at, (size_t)(colon - (text + at))));
        at += line + 1;
    }
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

bool account_name_is_valid(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > ACCOUNT_NAME_MAX || name[n - 1] == '.')
        return false;
    if (!is_name_byte(name[0]) || name[0] == '.' || name[0] == '-' ||
        (name[0] >= '0' && name[0] <= '9'))
        return false;
    for (size_t i = 1; i < n; i++)
        if (!is_name_byte(name[i]))
            return false;
    return true;
}

const struct account *accounts_find(const struct accounts *a, const char *provider,
                                    const char *login)
{
    for (size_t i = 0; i < a->len; i++)
        if (strcmp(a->v[i].login, login) == 0 && strcmp(a->v[i].provider, provider) == 0)
            return &a->v[i];
    return NULL;
}

const struct account *accounts_find_uid(const struct accounts *a, uint32_t uid)
{
    for (size_t i = 0; i < a->len; i++)
        if (a->v[i].uid == uid)
            return &a->v[i];
    return NULL;
}

const struct account *accounts_find_name(const struct accounts *a, const char *name)
{
    for (size_t i = 0; i < a->len; i++)
        if (strcmp(a->v[i].name, name) == 0)
            return &a->v[i];
    return NULL;
}

static bool is_free(const struct accounts *a, const char *name)
{
    return !strv_has(&a->taken, name) && !accounts_find_name(a, name);
}

/* Odd bytes become "_"; a number is put behind until the name is free. */
static char *make_name(const struct accounts *a, const char *provider, const char *login)
{
    if (account_name_is_valid(login) && is_free(a, login))
        return xstrdup(login);
    cleanup_str struct str stem = STR_INIT;
    if (login[0] >= '0' && login[0] <= '9')
        str_adds(&stem, "u");
    for (const char *c = login; *c; c++)
        str_addc(&stem, is_name_byte(*c) && (stem.len > 0 || (*c != '.' && *c != '-')) ? *c : '_');
    /* The same login from another provider says so in its name. */
    if (account_name_is_valid(login) && accounts_find_name(a, login))
        str_addf(&stem, "-%s", provider);
    const size_t stem_max = ACCOUNT_NAME_MAX - 5;
    if (stem.len > stem_max)
        str_truncate(&stem, stem_max);
    while (stem.len > 0 && stem.p[stem.len - 1] == '.')
        str_truncate(&stem, stem.len - 1);
    if (account_name_is_valid(stem.p) && is_free(a, stem.p))
        return str_detach(&stem);
    for (int i = 2;; i++) {
        char *name = xasprintf("%s-%d", stem.p, i);
        if (account_name_is_valid(name) && is_free(a, name))
            return name;
        free(name);
        BUG_ON(i > ACCOUNTS_MAX);
    }
}

static struct account *append(struct accounts *a, const char *provider, const char *login,
                              char *name, uint32_t uid)
{
    VEC_GROW(a->v, a->len, a->cap);
    struct account *acc = &a->v[a->len++];
    *acc = (struct account){xstrdup(login), xstrdup(provider), name, uid};
    return acc;
}

int accounts_give(struct accounts *a, const char *provider, const char *login,
                  const struct account **out, bool *made, struct err *err)
{
    *out = accounts_find(a, provider, login);
    *made = false;
    if (*out)
        return 0;
    if (!spec_login_is_valid(login) || !spec_provider_is_valid(provider))
        return err_set(err, ERR_INVALID, "login or provider malformed");
    if (a->len >= ACCOUNTS_MAX)
        return err_set(err, ERR_LIMIT, "a session has at most %d accounts", ACCOUNTS_MAX);
    uint32_t uid = SPEC_FIRST_USER_UID;
    for (size_t i = 0; i < a->len; i++)
        if (a->v[i].uid >= uid)
            uid = a->v[i].uid + 1;
    *out = append(a, provider, login, make_name(a, provider, login), uid);
    *made = true;
    return 0;
}

static int parse_one(struct accounts *a, struct json_object *o, struct err *err)
{
    const char *login = NULL, *provider = NULL, *name = NULL;
    int64_t uid = 0;
    int rc = json_get_str(o, "login", SPEC_LOGIN_MAX, &login, err);
    if (rc == 0)
        rc = json_get_str(o, "provider", SPEC_PROVIDER_MAX, &provider, err);
    if (rc == 0)
        rc = json_get_str(o, "account", ACCOUNT_NAME_MAX, &name, err);
    if (rc == 0)
        rc = json_get_i64(o, "uid", SPEC_FIRST_USER_UID, SPEC_UID_RANGE - 2, &uid, err);
    if (rc < 0)
        return rc;
    if (!spec_login_is_valid(login) || !spec_provider_is_valid(provider) ||
        !account_name_is_valid(name))
        return err_set(err, ERR_INVALID, "accounts: a malformed name");
    if (accounts_find(a, provider, login) || accounts_find_name(a, name) ||
        accounts_find_uid(a, (uint32_t)uid))
        return err_set(err, ERR_INVALID, "accounts: somebody is in it twice");
    append(a, provider, login, xstrdup(name), (uint32_t)uid);
    return 0;
}

int accounts_parse(struct accounts *a, const char *text, size_t len, struct err *err)
{
    cleanup_json struct json_object *o = NULL;
    struct json_object *list = NULL;
    int rc = json_parse(text, len, &o, err);
    if (rc == 0)
        rc = json_opt_array(o, "accounts", ACCOUNTS_MAX, &list, err);
    if (rc == 0 && !list)
        return err_set(err, ERR_INVALID, "accounts: no list");
    for (size_t i = 0; rc == 0 && i < json_object_array_length(list); i++)
        rc = parse_one(a, json_object_array_get_idx(list, i), err);
    return rc == ERR_NOT_FOUND ? ERR_INVALID : rc;
}

void accounts_print(const struct accounts *a, struct str *out)
{
    cleanup_json struct json_object *o = json_object_new_object();
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < a->len; i++) {
        struct json_object *one = json_object_new_object();
        json_add_str(one, "login", a->v[i].login);
        json_add_str(one, "provider", a->v[i].provider);
        json_add_str(one, "account", a->v[i].name);
        json_add_i64(one, "uid", a->v[i].uid);
        json_object_array_add(list, one);
    }
    json_add(o, "accounts", list);
    json_print(o, out);
    str_addc(out, '\n');
}

int accounts_load(struct accounts *a, const char *path, struct err *err)
{
    cleanup_str struct str text = STR_INIT;
    struct err why = ERR_INIT;
    int rc = fd_read_file(AT_FDCWD, path, ACCOUNTS_FILE_MAX, &text, &why);
    if (rc == ERR_NOT_FOUND)
        return 0;
    if (rc < 0)
        return err_set(err, rc, "%s", why.msg);
    rc = accounts_parse(a, text.p, text.len, err);
    return rc < 0 ? err_wrap(err, "%s", path) : 0;
}

int accounts_save(const struct accounts *a, const char *path, struct err *err)
{
    cleanup_str struct str text = STR_INIT;
    accounts_print(a, &text);
    return fd_write_file(AT_FDCWD, path, text.p, text.len, 0600, err);
}

void accounts_passwd(const struct accounts *a, const char *home_dir, struct str *out)
{
    for (size_t i = 0; i < a->len; i++)
        str_addf(out, "%s:x:%u:%u:%s:%s/%s:/bin/bash\n", a->v[i].name, a->v[i].uid, a->v[i].uid,
                 a->v[i].login, home_dir, a->v[i].name);
}

void accounts_group(const struct accounts *a, struct str *out)
{
    for (size_t i = 0; i < a->len; i++)
        str_addf(out, "%s:x:%u:\n", a->v[i].name, a->v[i].uid);
}

void accounts_shadow(const struct accounts *a, struct str *out)
{
    /* "*": no password, and not locked. */
    for (size_t i = 0; i < a->len; i++)
        str_addf(out, "%s:*:19000:0:99999:7:::\n", a->v[i].name);
}
