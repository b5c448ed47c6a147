#include "session/access.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void person_release(struct session_person *p)
{
    free(p->provider);
    free(p->login);
    free(p->subject);
    free(p->now);
    free(p->email);
    free(p->rule);
    strv_release(&p->keys);
}

void session_people_release(struct session_people *p)
{
    for (size_t i = 0; i < p->len; i++)
        person_release(&p->v[i]);
    free(p->v);
    session_token_free(p->token);
    *p = (struct session_people){0};
}

void session_token_free(struct json_object *token)
{
    const char *secret = NULL;
    /* json-c frees without wiping; the string is its own memory. */
    if (token && json_opt_str(token, "secret", 65536, &secret, NULL) == 0 && secret)
        mem_wipe((char *)(uintptr_t)secret, strlen(secret));
    json_object_put(token);
}

struct json_object *session_token_new(const char *host, const char *username, const char *secret)
{
    struct json_object *token = json_object_new_object();
    json_add_str(token, "host", host);
    json_add_str(token, "username", username);
    json_add_str(token, "secret", secret);
    return token;
}

struct session_person *session_people_add(struct session_people *p, const char *provider,
                                          const char *login, const char *subject, const char *rule)
{
    VEC_GROW(p->v, p->len, p->cap);
    struct session_person *person = &p->v[p->len++];
    *person = (struct session_person){
        .provider = xstrdup(provider),
        .login = xstrdup(login),
        .subject = subject ? xstrdup(subject) : NULL,
        .rule = xstrdup(rule),
        .keys = STRV_INIT,
    };
    return person;
}

void access_release(struct access *a)
{
    strv_release(&a->allowed);
    strv_release(&a->allowed_ids);
    strv_release(&a->kicked);
    for (size_t i = 0; i < a->n_names; i++) {
        free(a->names[i].provider);
        free(a->names[i].subject);
        free(a->names[i].login);
    }
    free(a->names);
    session_people_release(&a->people);
    *a = (struct access){0};
}

int access_name(const char *name, const char *provider, struct str *out, struct err *err)
{
    cleanup_free char *given = NULL;
    const char *login = name;
    const char *colon = strchr(name, ':');
    if (colon) {
        given = xstrndup(name, (size_t)(colon - name));
        provider = given;
        login = colon + 1;
    }
    if (!spec_provider_is_valid(provider) || !spec_login_is_valid(login)) {
        cleanup_str struct str shown = STR_INIT;
        str_add_printable(&shown, name, strnlen(name, 100));
        return err_set(err, ERR_INVALID, "'%s' is not a login", shown.p);
    }
    str_addf(out, "%s:%s", provider, login);
    return 0;
}

int access_names(char *const *names, size_t n, const char *provider, struct strv *out,
                 struct err *err)
{
    if (n > SESSION_ALLOWED_MAX)
        return err_set(err, ERR_INVALID, "more than %d allowed users", SESSION_ALLOWED_MAX);
    if (n == 1 && strcmp(names[0], "none") == 0)
        return 0;
    for (size_t i = 0; i < n; i++) {
        cleanup_str struct str name = STR_INIT;
        int rc = access_name(names[i], provider, &name, err);
        if (rc)
            return rc;
        if (!strv_has(out, name.p))
            strv_push(out, name.p);
    }
    return 0;
}

/* ---- names in the session ---- */

static const struct access_name *name_of(const struct access *a, const char *provider,
                                         const char *subject)
{
    for (size_t i = 0; i < a->n_names; i++)
        if (strcmp(a->names[i].provider, provider) == 0 &&
            strcmp(a->names[i].subject, subject) == 0)
            return &a->names[i];
    return NULL;
}

static bool login_is_given(const struct access *a, const char *provider, const char *login)
{
    for (size_t i = 0; i < a->n_names; i++)
        if (strcmp(a->names[i].provider, provider) == 0 && strcmp(a->names[i].login, login) == 0)
            return true;
    return false;
}

void access_know(struct access *a, const char *provider, const char *subject, const char *login)
{
    if (name_of(a, provider, subject) || a->n_names == ACCESS_NAMES_MAX)
        return;
    cleanup_free char *other = NULL;
    if (login_is_given(a, provider, login)) {
        /* The id is at most as long as a hash; what counts is that the two differ. */
        other = xasprintf("%.40s-%.23s", login, subject);
        login = other;
    }
    VEC_GROW(a->names, a->n_names, a->names_cap);
    a->names[a->n_names++] =
        (struct access_name){xstrdup(provider), xstrdup(subject), xstrdup(login)};
}

const char *access_session_login(const struct access *a, const char *provider, const char *login)
{
    if (login_is_given(a, provider, login))
        return login;
    for (size_t i = 0; i < a->people.len; i++) {
        const struct session_person *p = &a->people.v[i];
        if (p->now && strcmp(p->provider, provider) == 0 && strcmp(p->now, login) == 0)
            return p->login;
    }
    return login;
}

/* ---- who was thrown out, who may join ---- */

bool access_is_kicked(const struct access *a, const char *provider, const char *login)
{
    cleanup_free char *name = xasprintf("%s:%s", provider, login);
    return strv_has(&a->kicked, name);
}

void access_kick(struct access *a, const char *provider, const char *login)
{
    if (!access_is_kicked(a, provider, login))
        strv_pushf(&a->kicked, "%s:%s", provider, login);
}

static bool is_person(const struct session_person *p, const struct session_caller *caller)
{
    if (strcmp(p->provider, caller->provider) != 0)
        return false;
    /* Who took a login over is somebody else: the id decides as soon as it is known. */
    return p->subject ? strcmp(p->subject, caller->subject) == 0
                      : strcmp(p->login, caller->login) == 0;
}

static bool caller_is_kicked(const struct access *a, const struct session_caller *caller)
{
    const struct access_name *name = name_of(a, caller->provider, caller->subject);
    if (name)
        return access_is_kicked(a, caller->provider, name->login);
    return !login_is_given(a, caller->provider, caller->login) &&
           access_is_kicked(a, caller->provider, caller->login);
}

bool access_may_join(const struct access *a, const struct session_caller *caller)
{
    if (caller_is_kicked(a, caller))
        return false;
    if (a->is_public)
        return true;
    for (size_t i = 0; i < a->people.len; i++)
        if (is_person(&a->people.v[i], caller))
            return true;
    return false;
}

/* ---- found anew ---- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_person(const struct session_person *a, const struct session_person *b)
{
    if (strcmp(a->provider, b->provider) != 0 || strcmp(a->login, b->login) != 0 ||
        strcmp(a->rule, b->rule) != 0 || !same_text(a->subject, b->subject) ||
        !same_text(a->now, b->now) || !same_text(a->email, b->email) || a->keys.len != b->keys.len)
        return false;
    for (size_t i = 0; i < a->keys.len; i++)
        if (strcmp(a->keys.v[i], b->keys.v[i]) != 0)
            return false;
    return true;
}

static void add_settled(struct access *a, const struct session_person *from,
                        struct session_people *settled)
{
    const struct access_name *name = NULL;
    if (from->subject) {
        access_know(a, from->provider, from->subject, from->login);
        name = name_of(a, from->provider, from->subject);
    }
    const char *login = name ? name->login : from->login;
    struct session_person *to =
        session_people_add(settled, from->provider, login, from->subject, from->rule);
    if (strcmp(login, from->login) != 0)
        to->now = xstrdup(from->login);
    else if (from->now)
        to->now = xstrdup(from->now);
    to->email = from->email ? xstrdup(from->email) : NULL;
    for (size_t k = 0; k < from->keys.len; k++)
        strv_push(&to->keys, from->keys.v[k]);
}

/* An allowed name means who had it when it was first looked up. */
static bool note_ids(struct access *a, const struct session_people *people)
{
    bool changed = false;
    while (a->allowed_ids.len < a->allowed.len)
        strv_push(&a->allowed_ids, "");
    for (size_t i = 0; i < a->allowed.len; i++) {
        for (size_t k = 0; !*a->allowed_ids.v[i] && k < people->len; k++) {
            const struct session_person *p = &people->v[k];
            cleanup_free char *name = xasprintf("%s:%s", p->provider, p->login);
            if (!p->subject || strcasecmp(name, a->allowed.v[i]) != 0)
                continue;
            free(a->allowed_ids.v[i]);
            a->allowed_ids.v[i] = xstrdup(p->subject);
            changed = true;
        }
    }
    return changed;
}

bool access_set_people(struct access *a, const struct session_people *people)
{
    struct session_people settled = {0};
    bool changed = note_ids(a, people);
    for (size_t i = 0; i < people->len; i++)
        add_settled(a, &people->v[i], &settled);
    bool same = a->people.len == settled.len;
    for (size_t i = 0; same && i < settled.len; i++)
        same = same_person(&a->people.v[i], &settled.v[i]);
    session_people_release(same ? &settled : &a->people);
    if (!same)
        a->people = settled;
    return changed || !same;
}

void access_fill_users(const struct access *a, struct session_spec *spec)
{
    spec_users_free(spec->users, spec->n_users);
    spec->users = NULL;
    spec->n_users = 0;
    for (size_t i = 0; i < a->people.len && spec->n_users < SPEC_USERS_MAX; i++) {
        const struct session_person *p = &a->people.v[i];
        if (access_is_kicked(a, p->provider, p->login))
            continue;
        struct spec_user *user = session_spec_add_user(spec, p->login, p->provider);
        user->email = p->email ? xstrdup(p->email) : NULL;
        for (size_t k = 0; k < p->keys.len && k < SPEC_KEYS_MAX; k++)
            strv_push(&user->keys, p->keys.v[k]);
    }
}

static struct json_object *texts_to_json(const struct strv *v)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < v->len; i++)
        json_object_array_add(array, json_object_new_string(v->v[i]));
    return array;
}

static int texts_from_json(struct json_object *obj, const char *key, struct strv *out,
                           struct err *err)
{
    struct json_object *array = NULL;
    int rc = json_opt_array(obj, key, SPEC_USERS_MAX, &array, err);
    for (size_t i = 0; rc == 0 && array && i < json_object_array_length(array); i++) {
        struct json_object *item = json_object_array_get_idx(array, i);
        if (!json_object_is_type(item, json_type_string))
            return err_set(err, ERR_INVALID, "'%s' must hold strings", key);
        strv_push(out, json_object_get_string(item));
    }
    return rc;
}

static struct json_object *names_to_json(const struct access *a)
{
    struct json_object *names = json_object_new_array();
    for (size_t i = 0; i < a->n_names; i++) {
        struct json_object *one = json_object_new_object();
        json_add_str(one, "provider", a->names[i].provider);
        json_add_str(one, "subject", a->names[i].subject);
        json_add_str(one, "login", a->names[i].login);
        json_object_array_add(names, one);
    }
    return names;
}

struct json_object *access_to_json(const struct access *a)
{
    struct json_object *obj = json_object_new_object();
    struct json_object *people = json_object_new_array();
    json_add_bool(obj, "public", a->is_public);
    json_add_bool(obj, "given", a->allowed_given);
    json_add(obj, "allowed", texts_to_json(&a->allowed));
    json_add(obj, "allowed_ids", texts_to_json(&a->allowed_ids));
    for (size_t i = 0; i < a->people.len; i++) {
        const struct session_person *p = &a->people.v[i];
        struct json_object *one = json_object_new_object();
        json_add_str(one, "provider", p->provider);
        json_add_str(one, "login", p->login);
        json_add_str(one, "subject", p->subject);
        json_add_str(one, "now", p->now);
        json_add_str(one, "email", p->email);
        json_add_str(one, "rule", p->rule);
        json_add(one, "keys", texts_to_json(&p->keys));
        json_object_array_add(people, one);
    }
    json_add(obj, "people", people);
    json_add(obj, "names", names_to_json(a));
    return obj;
}

static int person_from_json(struct json_object *obj, struct session_people *people, struct err *err)
{
    const char *provider = NULL;
    const char *login = NULL;
    const char *subject = NULL;
    const char *now = NULL;
    const char *email = NULL;
    const char *rule = "allowed";
    int rc;
    if ((rc = json_get_str(obj, "provider", SPEC_PROVIDER_MAX, &provider, err)) != 0 ||
        (rc = json_get_str(obj, "login", SPEC_LOGIN_MAX, &login, err)) != 0 ||
        (rc = json_opt_str(obj, "subject", 512, &subject, err)) != 0 ||
        (rc = json_opt_str(obj, "now", SPEC_LOGIN_MAX, &now, err)) != 0 ||
        (rc = json_opt_str(obj, "email", 254, &email, err)) != 0 ||
        (rc = json_opt_str(obj, "rule", 32, &rule, err)) != 0)
        return rc;
    struct session_person *p = session_people_add(people, provider, login, subject, rule);
    p->now = now ? xstrdup(now) : NULL;
    p->email = email ? xstrdup(email) : NULL;
    return texts_from_json(obj, "keys", &p->keys, err);
}

static int name_from_json(struct json_object *obj, struct access *a, struct err *err)
{
    const char *provider = NULL, *subject = NULL, *login = NULL;
    int rc;
    if ((rc = json_get_str(obj, "provider", SPEC_PROVIDER_MAX, &provider, err)) == 0 &&
        (rc = json_get_str(obj, "subject", 512, &subject, err)) == 0 &&
        (rc = json_get_str(obj, "login", SPEC_LOGIN_MAX, &login, err)) == 0)
        access_know(a, provider, subject, login);
    return rc;
}

int access_from_json(struct json_object *obj, struct access *a, struct err *err)
{
    struct json_object *people = NULL;
    struct json_object *names = NULL;
    int rc;
    if ((rc = json_opt_bool(obj, "public", &a->is_public, err)) != 0 ||
        (rc = json_opt_bool(obj, "given", &a->allowed_given, err)) != 0 ||
        (rc = texts_from_json(obj, "allowed", &a->allowed, err)) != 0 ||
        (rc = texts_from_json(obj, "allowed_ids", &a->allowed_ids, err)) != 0 ||
        (rc = json_opt_array(obj, "names", ACCESS_NAMES_MAX, &names, err)) != 0 ||
        (rc = json_opt_array(obj, "people", SPEC_USERS_MAX, &people, err)) != 0)
        return rc;
    for (size_t i = 0; rc == 0 && names && i < json_object_array_length(names); i++)
        rc = name_from_json(json_object_array_get_idx(names, i), a, err);
    for (size_t i = 0; rc == 0 && people && i < json_object_array_length(people); i++)
        rc = person_from_json(json_object_array_get_idx(people, i), &a->people, err);
    while (rc == 0 && a->allowed_ids.len < a->allowed.len)
        strv_push(&a->allowed_ids, "");
    /* Kept before there were names. */
    for (size_t i = 0; rc == 0 && i < a->people.len; i++)
        if (a->people.v[i].subject)
            access_know(a, a->people.v[i].provider, a->people.v[i].subject, a->people.v[i].login);
    return rc;
}
