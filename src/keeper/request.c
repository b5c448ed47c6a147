#include "keeper/request.h"

#include <stdlib.h>
#include <string.h>

#include "base/url.h"

#define TEXT_MAX 512

void keeper_request_release(struct keeper_request *r)
{
    session_spec_release(&r->spec);
    json_object_put(r->token);
    spec_users_free(r->users, r->n_users);
    free(r->login);
    free(r->provider);
    free(r->role);
    *r = (struct keeper_request){0};
}

static int take_session_id(struct json_object *obj, struct keeper_request *out, struct err *err)
{
    const char *id = NULL;
    int rc = json_get_str(obj, "session_id", SESSION_ID_LEN, &id, err);
    if (rc)
        return rc;
    if (!session_id_is_valid(id))
        return err_set(err, ERR_INVALID, "'session_id' is not a session id");
    memcpy(out->session_id, id, strlen(id) + 1);
    return 0;
}

static int take_spec(struct json_object *obj, const char *server_id, struct keeper_request *out,
                     struct err *err)
{
    struct json_object *spec = NULL;
    int rc = json_opt_object(obj, "spec", &spec, err);
    if (rc)
        return rc;
    if (!spec)
        return err_set(err, ERR_INVALID, "'spec' is missing");
    if ((rc = session_spec_from_json(spec, &out->spec, err)) != 0)
        return err_wrap(err, "spec");
    if (strcmp(out->spec.server_id, server_id) != 0)
        return err_set(err, ERR_INVALID, "the spec belongs to another server");
    if (!out->spec.host_key)
        return err_set(err, ERR_INVALID, "the spec has no host key");
    if (out->session_id[0] && strcmp(out->spec.id, out->session_id) != 0)
        return err_set(err, ERR_INVALID, "the spec is of another session");
    memcpy(out->session_id, out->spec.id, sizeof out->session_id);
    return 0;
}

static int take_token(struct json_object *obj, struct keeper_request *out, struct err *err)
{
    struct json_object *token = NULL;
    const char *host = NULL;
    const char *username = NULL;
    const char *secret = NULL;
    int rc = json_opt_object(obj, "token", &token, err);
    if (rc || !token)
        return rc;
    if ((rc = json_get_str(token, "host", KEEPER_HOST_MAX, &host, err)) != 0 ||
        (rc = json_get_str(token, "username", 256, &username, err)) != 0 ||
        (rc = json_get_str(token, "secret", KEEPER_SECRET_MAX, &secret, err)) != 0)
        return err_wrap(err, "token");
    out->token = json_object_new_object();
    json_add_str(out->token, "host", host);
    json_add_str(out->token, "username", username);
    json_add_str(out->token, "secret", secret);
    return 0;
}

static int parse_start(struct json_object *obj, const char *server_id, struct keeper_request *out,
                       struct err *err)
{
    int rc = take_spec(obj, server_id, out, err);
    if (rc == 0)
        rc = take_token(obj, out, err);
    if (rc == 0)
        rc = json_opt_i64(obj, "expires_at", 0, INT64_MAX, &out->expires_at, err);
    return rc ? rc : json_opt_bool(obj, "resume", &out->resume, err);
}

static int parse_stop(struct json_object *obj, const char *server_id, struct keeper_request *out,
                      struct err *err)
{
    int rc = take_session_id(obj, out, err);
    if (rc == 0)
        rc = take_spec(obj, server_id, out, err);
    return rc ? rc : json_opt_bool(obj, "archive", &out->archive, err);
}

static int parse_users(struct json_object *obj, const char *server_id, struct keeper_request *out,
                       struct err *err)
{
    (void)server_id;
    struct json_object *users = NULL;
    int rc = take_session_id(obj, out, err);
    if (rc == 0)
        rc = json_opt_array(obj, "users", SPEC_USERS_MAX, &users, err);
    if (rc)
        return rc;
    if (!users)
        return err_set(err, ERR_INVALID, "'users' is missing");
    return spec_users_from_json(users, &out->users, &out->n_users, err);
}

static int parse_kick(struct json_object *obj, const char *server_id, struct keeper_request *out,
                      struct err *err)
{
    (void)server_id;
    const char *login = NULL;
    const char *provider = NULL;
    int rc;
    if ((rc = take_session_id(obj, out, err)) != 0 ||
        (rc = json_get_str(obj, "login", SPEC_LOGIN_MAX, &login, err)) != 0 ||
        (rc = json_get_str(obj, "provider", SPEC_PROVIDER_MAX, &provider, err)) != 0)
        return rc;
    if (!spec_login_is_valid(login) || !spec_provider_is_valid(provider))
        return err_set(err, ERR_INVALID, "not a login");
    out->login = xstrdup(login);
    out->provider = xstrdup(provider);
    return 0;
}

static int parse_role(struct json_object *obj, const char *server_id, struct keeper_request *out,
                      struct err *err)
{
    static const char *const roles[] = {"watch", "type", "own", "approve"};
    const char *role = NULL;
    int rc = parse_kick(obj, server_id, out, err);
    if (rc == 0)
        rc = json_get_str(obj, "role", 16, &role, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        if (strcmp(roles[i], role) == 0) {
            out->role = xstrdup(role);
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "not a role");
}

static int parse_expires(struct json_object *obj, const char *server_id, struct keeper_request *out,
                         struct err *err)
{
    (void)server_id;
    int rc = take_session_id(obj, out, err);
    return rc ? rc : json_get_i64(obj, "expires_at", 1, INT64_MAX, &out->expires_at, err);
}

static int parse_session(struct json_object *obj, const char *server_id, struct keeper_request *out,
                         struct err *err)
{
    (void)server_id;
    return take_session_id(obj, out, err);
}

static int parse_nothing(struct json_object *obj, const char *server_id, struct keeper_request *out,
                         struct err *err)
{
    (void)obj;
    (void)server_id;
    (void)out;
    (void)err;
    return 0;
}

static int parse_archive_get(struct json_object *obj, const char *server_id,
                             struct keeper_request *out, struct err *err)
{
    (void)server_id;
    out->length = KEEPER_PIECE_MAX;
    int rc = take_session_id(obj, out, err);
    if (rc == 0)
        rc = json_opt_i64(obj, "offset", 0, INT64_MAX, &out->offset, err);
    return rc ? rc : json_opt_i64(obj, "length", 1, KEEPER_PIECE_MAX, &out->length, err);
}

static int parse_archive_expire(struct json_object *obj, const char *server_id,
                                struct keeper_request *out, struct err *err)
{
    (void)server_id;
    return json_get_i64(obj, "before", 0, INT64_MAX, &out->before, err);
}

static const struct {
    const char *name;
    int (*parse)(struct json_object *obj, const char *server_id, struct keeper_request *out,
                 struct err *err);
} verbs[KEEPER_VERBS] = {
    [KEEPER_INFO] = {"info", parse_nothing},
    [KEEPER_START] = {"start", parse_start},
    [KEEPER_STOP] = {"stop", parse_stop},
    [KEEPER_USERS] = {"users", parse_users},
    [KEEPER_KICK] = {"kick", parse_kick},
    [KEEPER_ROLE] = {"role", parse_role},
    [KEEPER_EXPIRES] = {"expires", parse_expires},
    [KEEPER_MEMBERS] = {"members", parse_session},
    [KEEPER_HEALTH] = {"health", parse_session},
    [KEEPER_LIST] = {"list", parse_nothing},
    [KEEPER_REMOVE] = {"remove", parse_session},
    [KEEPER_ARCHIVES] = {"archives", parse_nothing},
    [KEEPER_ARCHIVE_GET] = {"archive_get", parse_archive_get},
    [KEEPER_ARCHIVE_EXPIRE] = {"archive_expire", parse_archive_expire},
};

const char *keeper_verb_name(enum keeper_verb verb)
{
    return verbs[verb].name;
}

int keeper_request_parse(struct json_object *obj, const char *server_id, struct keeper_request *out,
                         bool *unknown, struct err *err)
{
    *out = (struct keeper_request){0};
    *unknown = true;
    const char *verb = NULL;
    int rc = json_get_str(obj, "verb", 64, &verb, err);
    if (rc)
        return ERR_INVALID;
    for (int i = 0; i < KEEPER_VERBS; i++) {
        if (strcmp(verbs[i].name, verb) != 0)
            continue;
        *unknown = false;
        out->verb = (enum keeper_verb)i;
        rc = verbs[i].parse(obj, server_id, out, err);
        if (rc == 0)
            return 0;
        keeper_request_release(out);
        err_wrap(err, "%s", verbs[i].name);
        return rc == ERR_NOT_FOUND ? ERR_INVALID : rc;
    }
    return err_set(err, ERR_UNSUPPORTED, "unknown verb");
}

/* ---- events of agents
 * ---------------------------------------------------------------------------- */

/* Text of a stranger: printable, cut. */
static void copy_text(struct json_object *from, const char *key, struct json_object *to)
{
    struct json_object *value = NULL;
    if (!json_object_object_get_ex(from, key, &value) ||
        !json_object_is_type(value, json_type_string))
        return;
    size_t n = (size_t)json_object_get_string_len(value);
    cleanup_str struct str text = STR_INIT;
    str_add_printable(&text, json_object_get_string(value), n < TEXT_MAX ? n : TEXT_MAX);
    json_add_strn(to, key, text.p, text.len);
}

static bool copy_word(struct json_object *from, const char *key, struct json_object *to)
{
    const char *word = NULL;
    if (json_get_str(from, key, 64, &word, NULL) != 0 || !*word ||
        word[strspn(word, "abcdefghijklmnopqrstuvwxyz_-")])
        return false;
    json_add_str(to, key, word);
    return true;
}

static bool copy_name(struct json_object *from, struct json_object *to)
{
    const char *login = NULL;
    const char *provider = NULL;
    if (json_get_str(from, "login", SPEC_LOGIN_MAX, &login, NULL) != 0 ||
        json_get_str(from, "provider", SPEC_PROVIDER_MAX, &provider, NULL) != 0 ||
        !spec_login_is_valid(login) || !spec_provider_is_valid(provider))
        return false;
    json_add_str(to, "login", login);
    json_add_str(to, "provider", provider);
    return true;
}

static bool copy_person(struct json_object *from, struct json_object *to)
{
    bool connected = false;
    if (!copy_name(from, to) || json_opt_bool(from, "connected", &connected, NULL) != 0)
        return false;
    json_add_bool(to, "connected", connected);
    return true;
}

static bool copy_members(const char *event, struct json_object *from, struct json_object *to)
{
    int64_t number = -1;
    if (strcmp(event, "ready") == 0)
        return true;
    if (strcmp(event, "stage") == 0) {
        if (!copy_word(from, "stage", to) ||
            json_opt_i64(from, "progress", -1, 100, &number, NULL) != 0)
            return false;
        json_add_i64(to, "progress", number);
        copy_text(from, "message", to);
        return true;
    }
    if (strcmp(event, "failed") == 0) {
        copy_text(from, "message", to);
        return copy_word(from, "reason", to);
    }
    if (strcmp(event, "presence") == 0)
        return copy_person(from, to);
    if (strcmp(event, "kicked") == 0)
        return copy_name(from, to);
    if (strcmp(event, "activity") == 0) {
        if (json_get_i64(from, "at", 0, INT64_MAX, &number, NULL) != 0)
            return false;
        json_add_i64(to, "at", number);
        return true;
    }
    return false;
}

struct json_object *keeper_event_filter(const char *session_id, const char *event,
                                        struct json_object *obj)
{
    struct json_object *out = json_object_new_object();
    json_add_str(out, "event", event);
    json_add_str(out, "session_id", session_id);
    if (copy_members(event, obj, out))
        return out;
    json_object_put(out);
    return NULL;
}
