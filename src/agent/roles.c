#include "agent/roles.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/mem.h"

static const char *const words[] = {
    [ROLE_WATCH] = "watch", [ROLE_TYPE] = "type", [ROLE_OWN] = "own"};

const char *role_word(enum role role)
{
    return words[role];
}

int role_parse(const char *word, enum role *out, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(words[i], word) == 0) {
            *out = (enum role)i;
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "a role is watch, type or own");
}

void roles_release(struct roles *r)
{
    for (size_t i = 0; i < r->len; i++) {
        free(r->v[i].provider);
        free(r->v[i].login);
    }
    free(r->v);
    *r = (struct roles){0};
}

struct role_entry *roles_find(const struct roles *r, const char *provider, const char *login)
{
    for (size_t i = 0; i < r->len; i++)
        if (strcmp(r->v[i].login, login) == 0 && strcmp(r->v[i].provider, provider) == 0)
            return &r->v[i];
    return NULL;
}

struct role_entry *roles_of(struct roles *r, const char *provider, const char *login)
{
    struct role_entry *found = roles_find(r, provider, login);
    if (found)
        return found;
    VEC_GROW(r->v, r->len, r->cap);
    struct role_entry *e = &r->v[r->len++];
    *e = (struct role_entry){
        .provider = xstrdup(provider), .login = xstrdup(login), .role = ROLE_TYPE};
    return e;
}

enum role roles_role(const struct roles *r, const char *provider, const char *login)
{
    const struct role_entry *e = roles_find(r, provider, login);
    return e ? e->role : ROLE_TYPE;
}

bool roles_approved(const struct roles *r, const char *provider, const char *login)
{
    const struct role_entry *e = roles_find(r, provider, login);
    return e && e->approved;
}

const struct role_entry *roles_owner(const struct roles *r)
{
    for (size_t i = 0; i < r->len; i++)
        if (r->v[i].role == ROLE_OWN)
            return &r->v[i];
    return NULL;
}

void roles_set(struct roles *r, const char *provider, const char *login, enum role role)
{
    for (size_t i = 0; role == ROLE_OWN && i < r->len; i++)
        if (r->v[i].role == ROLE_OWN)
            r->v[i].role = ROLE_TYPE;
    roles_of(r, provider, login)->role = role;
}

void roles_typed(struct roles *r, const char *provider, const char *login)
{
    roles_of(r, provider, login)->typed = ++r->clock;
}

void roles_settle(struct roles *r, uint64_t clock)
{
    for (size_t i = 0; i < r->len; i++)
        if (r->v[i].settled < clock)
            r->v[i].settled = clock;
}

static int parse_one(struct roles *r, struct json_object *o, struct err *err)
{
    const char *login = NULL, *provider = NULL, *word = NULL;
    bool approved = false, unsettled = false;
    enum role role = ROLE_TYPE;
    int rc = json_get_str(o, "login", SPEC_LOGIN_MAX, &login, err);
    if (rc == 0)
        rc = json_get_str(o, "provider", SPEC_PROVIDER_MAX, &provider, err);
    if (rc == 0)
        rc = json_get_str(o, "role", 16, &word, err);
    if (rc == 0)
        rc = json_opt_bool(o, "approved", &approved, err);
    if (rc == 0)
        rc = json_opt_bool(o, "typed", &unsettled, err);
    if (rc == 0)
        rc = role_parse(word, &role, err);
    if (rc < 0)
        return rc;
    if (!spec_login_is_valid(login) || !spec_provider_is_valid(provider))
        return err_set(err, ERR_INVALID, "roles: a malformed name");
    roles_set(r, provider, login, role);
    roles_of(r, provider, login)->approved = approved;
    if (unsettled)
        roles_typed(r, provider, login);
    return 0;
}

int roles_parse(struct roles *r, const char *text, size_t len, struct err *err)
{
    cleanup_json struct json_object *o = NULL;
    struct json_object *list = NULL;
    int rc = json_parse(text, len, &o, err);
    if (rc == 0)
        rc = json_opt_array(o, "people", SPEC_USERS_MAX, &list, err);
    if (rc == 0 && !list)
        return err_set(err, ERR_INVALID, "roles: no list");
    for (size_t i = 0; rc == 0 && i < json_object_array_length(list); i++)
        rc = parse_one(r, json_object_array_get_idx(list, i), err);
    return rc == ERR_NOT_FOUND ? ERR_INVALID : rc;
}

void roles_print(const struct roles *r, struct str *out)
{
    cleanup_json struct json_object *o = json_object_new_object();
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < r->len; i++) {
        struct json_object *one = json_object_new_object();
        json_add_str(one, "login", r->v[i].login);
        json_add_str(one, "provider", r->v[i].provider);
        json_add_str(one, "role", role_word(r->v[i].role));
        json_add_bool(one, "approved", r->v[i].approved);
        json_add_bool(one, "typed", role_entry_is_unsettled(&r->v[i]));
        json_object_array_add(list, one);
    }
    json_add(o, "people", list);
    json_print(o, out);
    str_addc(out, '\n');
}

int roles_load(struct roles *r, const char *path, struct err *err)
{
    cleanup_str struct str text = STR_INIT;
    struct err why = ERR_INIT;
    int rc = fd_read_file(AT_FDCWD, path, ROLES_FILE_MAX, &text, &why);
    if (rc == ERR_NOT_FOUND)
        return 0;
    if (rc < 0)
        return err_set(err, rc, "%s", why.msg);
    rc = roles_parse(r, text.p, text.len, err);
    return rc < 0 ? err_wrap(err, "%s", path) : 0;
}

int roles_save(const struct roles *r, const char *path, struct err *err)
{
    cleanup_str struct str text = STR_INIT;
    roles_print(r, &text);
    return fd_write_file(AT_FDCWD, path, text.p, text.len, 0600, err);
}
