#include "agent/request.h"

#include <string.h>

#include "base/mem.h"
#include "git/safe_path.h"
#include "proto/spec.h"

int request_parse(const struct frame *frame, struct json_object **obj, const char **verb,
                  struct err *err)
{
    *obj = NULL;
    if (frame->kind != 'J' || frame->id == 0)
        return err_set(err, ERR_INVALID, "a request was expected");
    cleanup_json struct json_object *o = NULL;
    int rc = json_parse(frame->payload, frame->len, &o, err);
    if (rc < 0)
        return rc;
    if (!json_object_is_type(o, json_type_object))
        return err_set(err, ERR_INVALID, "a request is an object");
    rc = json_get_str(o, "verb", REQUEST_VERB_MAX, verb, err);
    if (rc < 0)
        return ERR_INVALID;
    *obj = steal(&o);
    return 0;
}

int request_person(struct json_object *obj, const char **provider, const char **login,
                   struct err *err)
{
    int rc = json_get_str(obj, "login", SPEC_LOGIN_MAX, login, err);
    if (rc == 0)
        rc = json_get_str(obj, "provider", SPEC_PROVIDER_MAX, provider, err);
    if (rc < 0)
        return rc;
    if (!spec_login_is_valid(*login) || !spec_provider_is_valid(*provider))
        return err_set(err, ERR_INVALID, "login or provider is malformed");
    return 0;
}

int request_oid(struct json_object *obj, const char *key, struct oid *out, struct err *err)
{
    const char *text = NULL;
    int rc = json_get_str(obj, key, OID_HEX, &text, err);
    return rc < 0 ? rc : oid_parse(text, strlen(text), out, err);
}

void push_request_release(struct push_request *r)
{
    json_object_put(r->changes);
    json_object_put(r->overlaps);
    *r = (struct push_request){0};
}

/* file and lines of an entry into a new object. */
static int copy_place(struct json_object *from, struct json_object *to, struct err *err)
{
    const char *file = NULL, *lines = "";
    if (!json_object_is_type(from, json_type_object))
        return err_set(err, ERR_INVALID, "a list of files holds something else");
    int rc = json_get_str(from, "file", REQUEST_PATH_MAX, &file, err);
    if (rc == 0)
        rc = json_opt_str(from, "lines", REQUEST_LINES_MAX, &lines, err);
    if (rc < 0)
        return rc;
    if (!safe_path(file, strlen(file)))
        return err_set(err, ERR_INVALID, "a list of files holds an unsafe path");
    json_add_str(to, "file", file);
    json_add_str(to, "lines", lines);
    return 0;
}

static int copy_with(struct json_object *from, struct json_object *to, struct err *err)
{
    struct json_object *list = NULL;
    const char *kind = NULL;
    int rc = json_opt_array(from, "with", REQUEST_WITH_MAX, &list, err);
    if (rc == 0)
        rc = json_opt_str(from, "kind", REQUEST_VERB_MAX, &kind, err);
    if (rc < 0)
        return rc;
    struct json_object *with = json_object_new_array();
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        struct json_object *one = json_object_array_get_idx(list, i);
        const char *login =
            json_object_is_type(one, json_type_string) ? json_object_get_string(one) : "";
        if (!spec_login_is_valid(login)) {
            json_object_put(with);
            return err_set(err, ERR_INVALID, "an overlap is with nobody");
        }
        json_object_array_add(with, json_object_new_string(login));
    }
    json_add(to, "with", with);
    json_add_str(to, "kind", kind);
    return 0;
}

static int copy_list(struct json_object *obj, const char *key, bool overlaps,
                     struct json_object **out, struct err *err)
{
    struct json_object *from = NULL;
    *out = json_object_new_array();
    int rc = json_opt_array(obj, key, REQUEST_FILES_MAX, &from, err);
    for (size_t i = 0; rc == 0 && from && i < json_object_array_length(from); i++) {
        struct json_object *entry = json_object_array_get_idx(from, i);
        struct json_object *made = json_object_new_object();
        json_object_array_add(*out, made);
        rc = copy_place(entry, made, err);
        if (rc == 0 && overlaps)
            rc = copy_with(entry, made, err);
    }
    return rc;
}

int push_request_parse(struct json_object *obj, struct push_request *out, struct err *err)
{
    *out = (struct push_request){0};
    int rc = request_oid(obj, "parent", &out->parent, err);
    if (rc == 0)
        rc = request_oid(obj, "commit", &out->commit, err);
    if (rc == 0)
        rc = copy_list(obj, "changes", false, &out->changes, err);
    if (rc == 0)
        rc = copy_list(obj, "overlaps", true, &out->overlaps, err);
    if (rc < 0) {
        push_request_release(out);
        return rc == ERR_NOT_FOUND ? ERR_INVALID : rc;
    }
    return 0;
}
