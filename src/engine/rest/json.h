/*
 * The engine's JSON, made and read. Pure: no connection is needed, so that hostile or cut answers
 * can be tried on it.
 */
#ifndef ENGINE_REST_JSON_H
#define ENGINE_REST_JSON_H

#include "base/json.h"
#include "engine/engine.h"

/* Body of a create. seccomp goes into SecurityOpt as it is: path or text. */
struct json_object *rest_json_container(const struct engine_container_spec *spec, bool podman);
struct json_object *rest_json_network(const struct engine_network *network);
/* {"key":"value"} from "key=value" entries. */
struct json_object *rest_json_labels(const struct strv *labels);
/* {"label":["key=value"]} */
struct json_object *rest_json_label_filter(const char *label);

/* The "Id" of an answer: 1..ENGINE_ID_MAX hex digits. */
int rest_read_id(struct json_object *answer, char id[ENGINE_ID_MAX + 1], struct err *err);
/* An inspect answer; default_caps as in rest_dialect. Members that are missing stay empty, a wrong
 * type is ERR_INVALID. */
int rest_read_container(struct json_object *answer, const struct strv *default_caps,
                        struct engine_container *out, struct err *err);
int rest_read_image(struct json_object *answer, struct engine_image *out, struct err *err);
/* A list answer: an array, or for volumes an object with it. */
int rest_read_list(struct json_object *answer, enum engine_kind kind, struct engine_list *out,
                   struct err *err);
/* Labels of an object member, appended as "key=value". */
int rest_read_labels(struct json_object *obj, const char *key, struct strv *out, struct err *err);

#endif
