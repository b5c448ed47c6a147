#include "engine/errors.h"

#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/str.h"

/* Engines word these alike over many versions; the first match counts, so the special ones come
 * before the general ones. Found in cause or message, without regard to case. */
static const struct {
    const char *words;
    int code;
} known[] = {
    {"no space left on device", ERR_NO_SPACE},
    {"disk quota exceeded", ERR_NO_SPACE},
    {"address already in use", ERR_EXISTS},      /* published port, both */
    {"port is already allocated", ERR_EXISTS},   /* published port, dockerd */
    {"that name is already in use", ERR_EXISTS}, /* Podman */
    {"is already in use by container", ERR_EXISTS},
    {"network already exists", ERR_EXISTS}, /* Podman */
    {"network with name", ERR_EXISTS},      /* "... X already exists", dockerd */
    {"is already used on the host or by another config", ERR_CONFLICT},
    {"pool overlaps with other one", ERR_CONFLICT},
    {"networks have same bridge name", ERR_CONFLICT},
    {"bridge name", ERR_CONFLICT}, /* "... X already in use", Podman */
    {"is already in progress", ERR_CONFLICT},
    {"container state improper", ERR_CONFLICT},
    {"network is being used", ERR_CONFLICT},
    {"volume is being used", ERR_CONFLICT},
    {"has active endpoints", ERR_CONFLICT},
    {"image not known", ERR_NOT_FOUND},
    {"no such image", ERR_NOT_FOUND},
    {"no such container", ERR_NOT_FOUND},
    {"no such volume", ERR_NOT_FOUND},
    {"network not found", ERR_NOT_FOUND},
    {"no such exec", ERR_NOT_FOUND},
};

static int code_of_status(long status)
{
    switch (status) {
    case 400:
        return ERR_INVALID;
    case 401:
    case 403:
        return ERR_DENIED;
    case 404:
        return ERR_NOT_FOUND;
    case 409:
        return ERR_CONFLICT;
    case 502:
    case 503:
        return ERR_UNAVAILABLE;
    case 504:
        return ERR_TIMEOUT;
    default:
        return ERR_FAILED;
    }
}

static int code_of_text(const char *cause, const char *message)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if ((cause && strcasestr(cause, known[i].words)) ||
            (message && strcasestr(message, known[i].words)))
            return known[i].code;
    return 0;
}

int engine_error(long status, const char *body, size_t len, const char *what, struct err *err)
{
    cleanup_json struct json_object *obj = NULL;
    const char *cause = NULL, *message = NULL;
    if (json_parse(body, len, &obj, NULL) == 0 && json_object_is_type(obj, json_type_object)) {
        json_opt_str(obj, "cause", len, &cause, NULL);
        json_opt_str(obj, "message", len, &message, NULL);
    }
    int code = code_of_text(cause, message);
    if (!code)
        code = code_of_status(status);
    cleanup_str struct str words = STR_INIT;
    if (message || cause) {
        const char *text = message ? message : cause;
        str_add_printable(&words, text, strnlen(text, ENGINE_ERROR_TEXT_MAX));
    } else {
        str_add_printable(&words, body, len < ENGINE_ERROR_TEXT_MAX ? len : ENGINE_ERROR_TEXT_MAX);
    }
    if (words.len > ENGINE_ERROR_TEXT_MAX)
        str_truncate(&words, ENGINE_ERROR_TEXT_MAX);
    while (!str_is_utf8(words.p, words.len)) /* cut within a character */
        str_truncate(&words, words.len - 1);
    while (words.len && (words.p[words.len - 1] == '\n' || words.p[words.len - 1] == ' '))
        str_truncate(&words, words.len - 1);
    if (!words.len)
        return err_set(err, code, "%s: the engine answers %ld", what, status);
    return err_set(err, code, "%s: the engine answers %ld: %s", what, status, words.p);
}
