/*
 * JSON over json-c: parsing with limits, typed getters with named errors, building. json-c's
 * `struct json_object` is used directly; its reference counting is json_object_get/put.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define JSON_DEPTH_MAX 32

void cleanup_jsonp(struct json_object **o);
#define cleanup_json cleanup(cleanup_jsonp)

/* Strict UTF-8 JSON text of exactly len bytes (trailing white space allowed), depth at most
 * JSON_DEPTH_MAX, duplicate members: the last counts. *out is owned by the caller. */
int json_parse(const char *text, size_t len, struct json_object **out, struct err *err);

/* For text from strangers that json_parse took as obj: ERR_INVALID when an object has a member
 * twice or an escape stands for half a character (a lone surrogate), where readers differ. */
int json_check_exact(const char *text, size_t len, struct json_object *obj, struct err *err);

/* Members of an object. Absent or null gives ERR_NOT_FOUND (no message is set for the _opt forms,
 * which give 0 and leave *out as it was); a wrong type, a string with NUL, longer than max bytes or
 * an integer outside [min, max] gives ERR_INVALID naming the member. Strings are borrowed from obj.
 */
int json_get_str(struct json_object *obj, const char *key, size_t max, const char **out,
                 struct err *err);
int json_opt_str(struct json_object *obj, const char *key, size_t max, const char **out,
                 struct err *err);
int json_get_i64(struct json_object *obj, const char *key, int64_t min, int64_t max, int64_t *out,
                 struct err *err);
int json_opt_i64(struct json_object *obj, const char *key, int64_t min, int64_t max, int64_t *out,
                 struct err *err);
int json_opt_bool(struct json_object *obj, const char *key, bool *out, struct err *err);
/* Borrowed array or object member; absent: NULL with return 0. */
int json_opt_array(struct json_object *obj, const char *key, size_t max_len,
                   struct json_object **out, struct err *err);
int json_opt_object(struct json_object *obj, const char *key, struct json_object **out,
                    struct err *err);

/* Building. A NULL string adds nothing. */
void json_add_str(struct json_object *obj, const char *key, const char *value);
void json_add_strn(struct json_object *obj, const char *key, const char *value, size_t n);
void json_add_i64(struct json_object *obj, const char *key, int64_t value);
void json_add_bool(struct json_object *obj, const char *key, bool value);
/* Takes ownership of value. */
void json_add(struct json_object *obj, const char *key, struct json_object *value);

/* Compact text on one line, appended. */
void json_print(struct json_object *obj, struct str *out);
/* Appends text as a JSON string literal with its quotes; bytes that are not UTF-8 become U+FFFD. */
void json_quote(struct str *out, const char *text, size_t n);

#endif
