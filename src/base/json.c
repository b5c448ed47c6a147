#include "base/json.h"

#include <string.h>

void cleanup_jsonp(struct json_object **o)
{
    json_object_put(*o);
}

/* json-c takes member names in single quotes, NaN and the like even when told to be strict; none of
 * their bytes can stand outside of a string in JSON (RFC 8259). */
static bool has_only_json_bytes(const char *text, size_t len)
{
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        if (in_string && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            in_string = !in_string;
        else if (!in_string &&
                 (!text[i] || !strchr("{}[]:,-+.0123456789eEtrufalsn \t\r\n", text[i])))
            return false;
    }
    return true;
}

int json_parse(const char *text, size_t len, struct json_object **out, struct err *err)
{
    *out = NULL;
    if (len > INT32_MAX)
        return err_set(err, ERR_LIMIT, "JSON text is too long");
    if (!str_is_utf8(text, len))
        return err_set(err, ERR_INVALID, "JSON text is not UTF-8");
    if (!has_only_json_bytes(text, len))
        return err_set(err, ERR_INVALID, "malformed JSON");
    struct json_tokener *tok = json_tokener_new_ex(JSON_DEPTH_MAX);
    if (!tok)
        return err_set(err, ERR_FAILED, "out of memory");
    json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
    /* json-c wants to see the end to finish a bare number. */
    struct json_object *obj = json_tokener_parse_ex(tok, text, (int)len);
    if (json_tokener_get_error(tok) == json_tokener_continue)
        obj = json_tokener_parse_ex(tok, "", 1);
    enum json_tokener_error code = json_tokener_get_error(tok);
    size_t end = json_tokener_get_parse_end(tok);
    json_tokener_free(tok);
    if (code != json_tokener_success) {
        json_object_put(obj);
        return err_set(err, code == json_tokener_error_depth ? ERR_LIMIT : ERR_INVALID,
                       "malformed JSON: %s", json_tokener_error_desc(code));
    }
    for (size_t i = end; i < len; i++) {
        if (!strchr(" \t\r\n", text[i]) || !text[i]) {
            json_object_put(obj);
            return err_set(err, ERR_INVALID, "malformed JSON: text behind the value");
        }
    }
    if (!obj)
        return err_set(err, ERR_INVALID, "JSON null");
    *out = obj;
    return 0;
}

static size_t count_members(struct json_object *value)
{
    size_t n = 0;
    if (json_object_is_type(value, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(value); i++)
            n += count_members(json_object_array_get_idx(value, i));
    } else if (json_object_is_type(value, json_type_object)) {
        json_object_object_foreach(value, key, member)
        {
            (void)key;
            n += 1 + count_members(member);
        }
    }
    return n;
}

/* The UTF-16 unit of "\uXXXX" at text, or -1 when something else stands there. */
static int escaped_unit(const char *text, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    int unit = 0;
    if (len < 6 || text[0] != '\\' || text[1] != 'u')
        return -1;
    for (size_t i = 2; i < 6; i++) {
        const char *digit = strchr(digits, text[i] | 0x20);
        if (!digit || !*digit)
            return -1;
        unit = unit << 4 | (int)(digit - digits);
    }
    return unit;
}

/* Bytes of the escape at text; 0 when it is half of a surrogate pair. */
static size_t escape_len(const char *text, size_t len)
{
    int unit = escaped_unit(text, len);
    if (unit < 0)
        return 2;
    if (unit < 0xd800 || unit > 0xdfff)
        return 6;
    int low = escaped_unit(text + 6, len - 6);
    return unit < 0xdc00 && low >= 0xdc00 && low <= 0xdfff ? 12 : 0;
}

int json_check_exact(const char *text, size_t len, struct json_object *obj, struct err *err)
{
    bool in_string = false;
    size_t colons = 0;
    for (size_t i = 0; i < len; i++) {
        if (in_string && text[i] == '\\') {
            size_t n = escape_len(text + i, len - i);
            if (n == 0)
                return err_set(err, ERR_INVALID, "malformed JSON: half a character");
            i += n - 1;
        } else if (text[i] == '"') {
            in_string = !in_string;
        } else if (!in_string && text[i] == ':') {
            colons++;
        }
    }
    /* In JSON text there is one colon outside of strings for each member. */
    if (colons != count_members(obj))
        return err_set(err, ERR_INVALID, "malformed JSON: a member is there twice");
    return 0;
}

/* 0 with *out NULL when absent or null. */
static int member(struct json_object *obj, const char *key, enum json_type type,
                  const char *type_name, struct json_object **out, struct err *err)
{
    *out = NULL;
    if (!json_object_is_type(obj, json_type_object))
        return err_set(err, ERR_INVALID, "not a JSON object");
    struct json_object *value = NULL;
    if (!json_object_object_get_ex(obj, key, &value) || !value)
        return 0;
    if (!json_object_is_type(value, type))
        return err_set(err, ERR_INVALID, "'%s' must be %s", key, type_name);
    *out = value;
    return 0;
}

static int str_value(struct json_object *value, const char *key, size_t max, const char **out,
                     struct err *err)
{
    const char *text = json_object_get_string(value);
    size_t len = (size_t)json_object_get_string_len(value);
    if (memchr(text, 0, len))
        return err_set(err, ERR_INVALID, "'%s' has a NUL byte", key);
    if (len > max)
        return err_set(err, ERR_INVALID, "'%s' is longer than %zu bytes", key, max);
    *out = text;
    return 0;
}

int json_opt_str(struct json_object *obj, const char *key, size_t max, const char **out,
                 struct err *err)
{
    struct json_object *value;
    int rc = member(obj, key, json_type_string, "a string", &value, err);
    return rc || !value ? rc : str_value(value, key, max, out, err);
}

int json_get_str(struct json_object *obj, const char *key, size_t max, const char **out,
                 struct err *err)
{
    struct json_object *value;
    int rc = member(obj, key, json_type_string, "a string", &value, err);
    if (rc)
        return rc;
    if (!value)
        return err_set(err, ERR_NOT_FOUND, "'%s' is missing", key);
    return str_value(value, key, max, out, err);
}

static int i64_value(struct json_object *value, const char *key, int64_t min, int64_t max,
                     int64_t *out, struct err *err)
{
    int64_t n = json_object_get_int64(value);
    if (n < min || n > max)
        return err_set(err, ERR_INVALID, "'%s' is not between %lld and %lld", key, (long long)min,
                       (long long)max);
    *out = n;
    return 0;
}

int json_opt_i64(struct json_object *obj, const char *key, int64_t min, int64_t max, int64_t *out,
                 struct err *err)
{
    struct json_object *value;
    int rc = member(obj, key, json_type_int, "an integer", &value, err);
    return rc || !value ? rc : i64_value(value, key, min, max, out, err);
}

int json_get_i64(struct json_object *obj, const char *key, int64_t min, int64_t max, int64_t *out,
                 struct err *err)
{
    struct json_object *value;
    int rc = member(obj, key, json_type_int, "an integer", &value, err);
    if (rc)
        return rc;
    if (!value)
        return err_set(err, ERR_NOT_FOUND, "'%s' is missing", key);
    return i64_value(value, key, min, max, out, err);
}

int json_opt_bool(struct json_object *obj, const char *key, bool *out, struct err *err)
{
    struct json_object *value;
    int rc = member(obj, key, json_type_boolean, "true or false", &value, err);
    if (rc == 0 && value)
        *out = json_object_get_boolean(value);
    return rc;
}

int json_opt_array(struct json_object *obj, const char *key, size_t max_len,
                   struct json_object **out, struct err *err)
{
    int rc = member(obj, key, json_type_array, "an array", out, err);
    if (rc == 0 && *out && json_object_array_length(*out) > max_len)
        return err_set(err, ERR_INVALID, "'%s' has more than %zu entries", key, max_len);
    return rc;
}

int json_opt_object(struct json_object *obj, const char *key, struct json_object **out,
                    struct err *err)
{
    return member(obj, key, json_type_object, "an object", out, err);
}

void json_add_str(struct json_object *obj, const char *key, const char *value)
{
    if (value)
        json_add_strn(obj, key, value, strlen(value));
}

void json_add_strn(struct json_object *obj, const char *key, const char *value, size_t n)
{
    BUG_ON(n > INT32_MAX);
    json_add(obj, key, json_object_new_string_len(value, (int)n));
}

void json_add_i64(struct json_object *obj, const char *key, int64_t value)
{
    json_add(obj, key, json_object_new_int64(value));
}

void json_add_bool(struct json_object *obj, const char *key, bool value)
{
    json_add(obj, key, json_object_new_boolean(value));
}

void json_add(struct json_object *obj, const char *key, struct json_object *value)
{
    json_object_object_add(obj, key, value);
}

void json_print(struct json_object *obj, struct str *out)
{
    size_t len = 0;
    const char *text = json_object_to_json_string_length(
        obj, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
    str_add(out, text, len);
}

void json_quote(struct str *out, const char *text, size_t n)
{
    str_addc(out, '"');
    while (n) {
        unsigned char c = (unsigned char)*text;
        size_t len = 1;
        if (c == '"' || c == '\\') {
            str_addc(out, '\\');
            str_addc(out, (char)c);
        } else if (c < 0x20 || c == 0x7f) {
            str_addf(out, "\\u%04x", c);
        } else if (c < 0x80) {
            str_addc(out, (char)c);
        } else {
            for (len = 2; len <= 4 && len <= n && !str_is_utf8(text, len); len++)
                ;
            if (len > 4 || len > n) {
                str_adds(out, "\xef\xbf\xbd");
                len = 1;
            } else {
                str_add(out, text, len);
            }
        }
        text += len;
        n -= len;
    }
    str_addc(out, '"');
}
