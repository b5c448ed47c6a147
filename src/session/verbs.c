/* Delete, extend, archives: the owner's verbs that are not about people. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "session/internal.h"

int session_delete(struct sessions *s, const struct session_caller *caller, const char *id,
                   struct str *json, struct err *err)
{
    struct session *one = NULL;
    int rc = registry_lookup(s, caller, id, true, &one, err);
    if (rc)
        return rc;
    lifecycle_terminate(one, "");
    const struct str *info = session_info(one);
    str_add(json, info->p, info->len);
    return 0;
}

/* Who looks on inside sees it too; what is missed now comes with the next start. */
static void told(struct sessions *s, struct session *one, int code, struct json_object *reply,
                 const struct err *err, void *payload)
{
    (void)s;
    (void)reply;
    (void)payload;
    if (one && code && code != ERR_CANCELLED)
        log_fields(LOG_LEVEL_WARN, "new end not told in the session", "session", one->row.id, "why",
                   err->msg, NULL);
}

static void tell_expiry(struct session *one)
{
    struct json_object *args = session_args(one);
    json_add_i64(args, "expires_at", one->row.expires_at);
    pending_call(one->owner, one->row.id, "expires", args, NULL, told, NULL);
}

int session_extend(struct sessions *s, const struct session_caller *caller, const char *id,
                   int64_t ttl_secs, struct str *json, struct err *err)
{
    struct session *one = NULL;
    int rc = registry_lookup(s, caller, id, true, &one, err);
    if (rc)
        return rc;
    if (ttl_secs < SESSION_TTL_MIN || ttl_secs > s->config.max_ttl)
        return err_set(err, ERR_INVALID, "'ttl_secs' must be %d to %lld", SESSION_TTL_MIN,
                       (long long)s->config.max_ttl);
    if (one->state != SESSION_PROVISIONING && one->state != SESSION_RUNNING)
        return err_set(err, ERR_CONFLICT, "the session has ended");
    int64_t until = clock_now(s->clock) + ttl_secs;
    if (until > one->row.expires_at)
        one->row.expires_at = until;
    session_save(one);
    if (one->state == SESSION_RUNNING)
        tell_expiry(one);
    const struct str *info = session_info(one);
    str_add(json, info->p, info->len);
    return 0;
}

/* ---- archives
 * ------------------------------------------------------------------------------------------ */

struct archives_asker {
    char *provider;
    char *subject;
    session_reply_fn done;
    void *payload;
};

static void archives_answer(struct sessions *s, struct session *none, int code,
                            struct json_object *reply, const struct err *err, void *payload)
{
    (void)none;
    struct archives_asker *a = payload;
    const struct session_caller caller = {.provider = a->provider, .subject = a->subject};
    cleanup_json struct json_object *obj = json_object_new_object();
    cleanup_str struct str text = STR_INIT;
    struct json_object *list = NULL;
    struct json_object *own = json_object_new_array();
    json_add(obj, "archives", own);
    if (code == 0)
        json_opt_array(reply, "archives", SIZE_MAX, &list, NULL);
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        struct json_object *entry = json_object_array_get_idx(list, i);
        const char *id = "";
        int64_t created = 0;
        json_opt_str(entry, "session_id", SESSION_ID_LEN, &id, NULL);
        json_opt_i64(entry, "created_at", 0, INT64_MAX, &created, NULL);
        const struct session *one = registry_find(s, id);
        if (!one || !session_owns(one, &caller))
            continue;
        json_add_str(entry, "repo_url", one->spec.repo_url);
        json_add_i64(entry, "expires_at", created + SESSION_FORGET_AFTER);
        json_object_array_add(own, json_object_get(entry));
    }
    json_print(obj, &text);
    if (code)
        a->done(code, NULL, 0, err, a->payload);
    else
        a->done(0, text.p, text.len, NULL, a->payload);
    free(a->provider);
    free(a->subject);
    free(a);
}

void session_archives(struct sessions *s, const struct session_caller *caller,
                      session_reply_fn done, void *payload)
{
    struct archives_asker *a = xcalloc(1, sizeof *a);
    *a = (struct archives_asker){.provider = xstrdup(caller->provider),
                                 .subject = xstrdup(caller->subject),
                                 .done = done,
                                 .payload = payload};
    pending_call(s, NULL, "archives", NULL, NULL, archives_answer, a);
}

struct reader {
    session_piece_fn done;
    void *payload;
    struct str data;
};

static void collect(const char *data, size_t len, void *payload)
{
    struct reader *r = payload;
    if (r->data.len + len <= SESSION_ARCHIVE_PIECE)
        str_add(&r->data, data, len);
}

static void piece_answer(struct sessions *s, struct session *one, int code,
                         struct json_object *reply, const struct err *err, void *payload)
{
    (void)s;
    (void)one;
    struct reader *r = payload;
    int64_t size = 0;
    if (code == 0)
        json_opt_i64(reply, "size", 0, INT64_MAX, &size, NULL);
    r->done(code, r->data.p, code ? 0 : r->data.len, (uint64_t)size, err, r->payload);
    str_release(&r->data);
    free(r);
}

void session_archive_read(struct sessions *s, const struct session_caller *caller, const char *id,
                          uint64_t offset, session_piece_fn done, void *payload)
{
    struct session *one = NULL;
    struct err err = ERR_INIT;
    int rc = registry_lookup(s, caller, id, true, &one, &err);
    if (rc == 0 && offset > INT64_MAX)
        rc = err_set(&err, ERR_INVALID, "offset is out of range");
    if (rc) {
        done(rc, NULL, 0, 0, &err, payload);
        return;
    }
    struct reader *r = xcalloc(1, sizeof *r);
    *r = (struct reader){.done = done, .payload = payload, .data = STR_INIT};
    struct json_object *args = session_args(one);
    json_add_i64(args, "offset", (int64_t)offset);
    json_add_i64(args, "length", SESSION_ARCHIVE_PIECE);
    pending_call(s, id, "archive_get", args, collect, piece_answer, r);
}
