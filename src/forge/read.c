/* The pure half: users, pages of keys, pages of people. */
#include "forge/forge.h"

#include <stdlib.h>
#include <string.h>

#include "proto/spec.h"
#include "ssh/key.h"

#define GITLAB_DEVELOPER 30 /* the lowest access level that may push */

void forge_person_release(struct forge_person *p)
{
    free(p->subject);
    free(p->login);
    memset(p, 0, sizeof *p);
}

void forge_people_release(struct forge_people *p)
{
    for (size_t i = 0; i < p->len; i++)
        forge_person_release(&p->v[i]);
    free(p->v);
    memset(p, 0, sizeof *p);
}

static void take_key(const char *line, size_t len, struct strv *keys)
{
    cleanup_ssh_key struct ssh_key key;
    cleanup_str struct str text = STR_INIT;
    ssh_key_init(&key); /* parsing is not reached when there are enough */
    if (keys->len >= FORGE_KEYS_MAX || ssh_key_parse_line(line, len, &key, NULL))
        return;
    ssh_key_format(&key, &text);
    if (!strv_has(keys, text.p))
        strv_push(keys, text.p);
}

void forge_read_keys(const char *text, size_t len, struct strv *keys)
{
    const char *end = text + len;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *stop = newline ? newline : end;
        take_key(text, (size_t)(stop - text), keys);
        text = stop + 1;
    }
}

static int read_list(const char *text, size_t len, struct json_object **list, struct err *err)
{
    if (json_parse(text, len, list, NULL))
        return err_set(err, ERR_UNAVAILABLE, "the forge's answer is no JSON");
    if (!json_object_is_type(*list, json_type_array))
        return err_set(err, ERR_UNAVAILABLE, "the forge answered something else than a list");
    return 0;
}

int forge_read_key_list(const char *text, size_t len, struct strv *keys, struct err *err)
{
    cleanup_json struct json_object *list = NULL;
    int rc = read_list(text, len, &list, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        const char *line = NULL;
        struct err why = ERR_INIT;
        if (json_get_str(json_object_array_get_idx(list, i), "key", FORGE_BODY_MAX, &line, &why))
            return err_set(err, ERR_UNAVAILABLE, "the forge's list is unusable: %s", why.msg);
        take_key(line, strlen(line), keys);
    }
    return 0;
}

/* ERR_INVALID: the page is not what was asked for. */
static int may_push(enum forge_kind kind, struct json_object *item, bool *out, struct err *err)
{
    *out = false;
    if (kind == FORGE_GITLAB) {
        int64_t level = 0;
        const char *state = "active", *membership = "active";
        int rc;
        if ((rc = json_get_i64(item, "access_level", 0, 1000, &level, err)) ||
            (rc = json_opt_str(item, "state", 64, &state, err)) ||
            (rc = json_opt_str(item, "membership_state", 64, &membership, err)))
            return rc;
        /* Blocked people, and those whose membership nobody has approved yet, stay in the list. */
        *out = level >= GITLAB_DEVELOPER && strcmp(state, "active") == 0 &&
               strcmp(membership, "active") == 0;
        return 0;
    }
    struct json_object *permissions = NULL;
    int rc = json_opt_object(item, "permissions", &permissions, err);
    if (rc || !permissions)
        return rc;
    return json_opt_bool(permissions, "push", out, err);
}

static int read_person(enum forge_kind kind, struct json_object *item, struct forge_person *out,
                       struct err *err)
{
    int64_t id = 0;
    const char *login = NULL;
    int rc;
    if ((rc = json_get_i64(item, "id", 1, INT64_MAX, &id, err)) ||
        (rc = json_get_str(item, kind == FORGE_GITLAB ? "username" : "login", 255, &login, err)))
        return rc;
    if (!spec_login_is_valid(login))
        return err_set(err, ERR_INVALID, "a login that is not usable");
    out->subject = xasprintf("%lld", (long long)id);
    out->login = xstrdup(login);
    return 0;
}

int forge_read_user(enum forge_kind kind, const char *text, size_t len, struct forge_person *out,
                    struct err *err)
{
    cleanup_json struct json_object *user = NULL;
    struct err why = ERR_INIT;
    if (json_parse(text, len, &user, NULL))
        return err_set(err, ERR_UNAVAILABLE, "the forge's answer is no JSON");
    return read_person(kind, user, out, &why)
               ? err_set(err, ERR_UNAVAILABLE, "the forge's answer is unusable: %s", why.msg)
               : 0;
}

int forge_read_found(enum forge_kind kind, const char *text, size_t len, struct forge_person *out,
                     struct err *err)
{
    cleanup_json struct json_object *list = NULL;
    struct err why = ERR_INIT;
    int rc = read_list(text, len, &list, err);
    if (rc)
        return rc;
    if (json_object_array_length(list) != 1)
        return err_set(err, ERR_NOT_FOUND, "nobody has this name at the forge");
    return read_person(kind, json_object_array_get_idx(list, 0), out, &why)
               ? err_set(err, ERR_UNAVAILABLE, "the forge's answer is unusable: %s", why.msg)
               : 0;
}

int forge_read_people(enum forge_kind kind, const char *text, size_t len,
                      struct forge_people *people, struct err *err)
{
    cleanup_json struct json_object *page = NULL;
    int rc = read_list(text, len, &page, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < json_object_array_length(page); i++) {
        struct json_object *item = json_object_array_get_idx(page, i);
        struct forge_person person = {0};
        struct err why = ERR_INIT;
        bool push = false;
        if (may_push(kind, item, &push, &why) || (push && read_person(kind, item, &person, &why)))
            return err_set(err, ERR_UNAVAILABLE, "the forge's list is unusable: %s", why.msg);
        if (!push)
            continue;
        if (people->len >= FORGE_PEOPLE_MAX) {
            forge_person_release(&person);
            return err_set(err, ERR_LIMIT, "more than %d collaborators", FORGE_PEOPLE_MAX);
        }
        VEC_GROW(people->v, people->len, people->cap);
        people->v[people->len++] = person;
    }
    return 0;
}
