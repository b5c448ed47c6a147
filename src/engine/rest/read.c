/* The reading half of rest/json.h. */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "engine/rest/json.h"

#define TEXT_MAX 65536
#define LABELS_MAX 512
#define CAPS_MAX 256

/* A copied member; absent leaves "". */
static int get_text(struct json_object *obj, const char *key, char **out, struct err *err)
{
    const char *text = "";
    int rc = json_opt_str(obj, key, TEXT_MAX, &text, err);
    if (rc < 0)
        return rc;
    free(*out);
    *out = xstrdup(text);
    return 0;
}

static int get_field(struct json_object *obj, const char *key, char *dst, size_t size,
                     struct err *err)
{
    const char *text = "";
    int rc = json_opt_str(obj, key, size - 1, &text, err);
    if (rc < 0)
        return rc;
    memcpy(dst, text, strlen(text) + 1);
    return 0;
}

static int must_be_object(struct json_object *obj, struct err *err)
{
    if (!json_object_is_type(obj, json_type_object))
        return err_set(err, ERR_INVALID, "the engine's answer is no JSON object");
    return 0;
}

static bool is_hex(const char *s, size_t n)
{
    return n > 0 && strspn(s, "0123456789abcdef") >= n;
}

int rest_read_id(struct json_object *answer, char id[ENGINE_ID_MAX + 1], struct err *err)
{
    const char *text = "";
    int rc = must_be_object(answer, err);
    if (rc == 0)
        rc = json_get_str(answer, "Id", ENGINE_ID_MAX, &text, err);
    if (rc < 0)
        return rc;
    size_t n = strlen(text);
    if (!is_hex(text, n))
        return err_set(err, ERR_INVALID, "the engine's id is not hexadecimal");
    memcpy(id, text, n + 1);
    return 0;
}

int rest_read_labels(struct json_object *obj, const char *key, struct strv *out, struct err *err)
{
    struct json_object *labels = NULL;
    int rc = json_opt_object(obj, key, &labels, err);
    if (rc < 0 || !labels)
        return rc;
    if (json_object_object_length(labels) > LABELS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d labels", LABELS_MAX);
    json_object_object_foreach(labels, name, value)
    {
        if (!json_object_is_type(value, json_type_string))
            return err_set(err, ERR_INVALID, "a label is no text");
        strv_pushf(out, "%s=%s", name, json_object_get_string(value));
    }
    return 0;
}

static enum engine_state state_of(const char *word)
{
    if (strcmp(word, "running") == 0)
        return ENGINE_RUNNING;
    if (strcmp(word, "created") == 0 || strcmp(word, "configured") == 0 ||
        strcmp(word, "initialized") == 0)
        return ENGINE_CREATED;
    /* "stopped" is Podman's word between the exit and the cleaning up. */
    if (strcmp(word, "exited") == 0 || strcmp(word, "stopped") == 0)
        return ENGINE_EXITED;
    return ENGINE_OTHER;
}

static int read_state(struct json_object *answer, struct engine_container *out, struct err *err)
{
    struct json_object *state = NULL;
    const char *status = "";
    int64_t code = 0;
    int rc = json_opt_object(answer, "State", &state, err);
    if (rc < 0 || !state)
        return rc;
    if ((rc = json_opt_str(state, "Status", 64, &status, err)) < 0 ||
        (rc = json_opt_i64(state, "ExitCode", INT32_MIN, INT32_MAX, &code, err)) < 0 ||
        (rc = get_text(state, "Error", &out->error, err)) < 0)
        return rc;
    out->state = state_of(status);
    out->exit_code = (int)code;
    return 0;
}

/* First address of the first network. */
static int read_address(struct json_object *answer, struct engine_container *out, struct err *err)
{
    struct json_object *settings = NULL, *networks = NULL;
    int rc = json_opt_object(answer, "NetworkSettings", &settings, err);
    if (rc == 0 && settings)
        rc = json_opt_object(settings, "Networks", &networks, err);
    if (rc < 0 || !networks)
        return rc;
    json_object_object_foreach(networks, name, value)
    {
        (void)name;
        if (out->ip[0] || !json_object_is_type(value, json_type_object))
            continue;
        if ((rc = get_field(value, "IPAddress", out->ip, sizeof out->ip, err)) < 0)
            return rc;
    }
    return 0;
}

static int read_port(struct json_object *host, struct engine_container *out, struct err *err)
{
    struct json_object *ports = NULL;
    int rc = json_opt_object(host, "PortBindings", &ports, err);
    if (rc < 0 || !ports)
        return rc;
    json_object_object_foreach(ports, name, list)
    {
        (void)name;
        struct json_object *first = NULL;
        const char *text = "";
        if (json_object_is_type(list, json_type_array))
            first = json_object_array_get_idx(list, 0);
        if (!json_object_is_type(first, json_type_object))
            continue;
        if ((rc = json_opt_str(first, "HostPort", 8, &text, err)) < 0)
            return rc;
        if (text[0] && num_parse_int(text, 0, 65535, &out->host_port, NULL) < 0)
            return err_set(err, ERR_INVALID, "the published port is no port");
    }
    return 0;
}

static const char *bare_cap(const char *name)
{
    return str_starts_with(name, "CAP_") ? name + 4 : name;
}

static int read_words(struct json_object *obj, const char *key, struct strv *out, struct err *err)
{
    struct json_object *array = NULL;
    int rc = json_opt_array(obj, key, CAPS_MAX, &array, err);
    if (rc < 0 || !array)
        return rc;
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        struct json_object *o = json_object_array_get_idx(array, i);
        if (!json_object_is_type(o, json_type_string))
            return err_set(err, ERR_INVALID, "an entry of %s is no text", key);
        strv_push(out, json_object_get_string(o));
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* dockerd gives back what was asked for ("ALL"), Podman the difference to its default. */
static int read_caps(struct json_object *host, const struct strv *defaults, struct strv *out,
                     struct err *err)
{
    cleanup_strv struct strv drop = STRV_INIT, add = STRV_INIT, dropped = STRV_INIT;
    int rc = read_words(host, "CapDrop", &drop, err);
    if (rc == 0)
        rc = read_words(host, "CapAdd", &add, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < drop.len; i++)
        strv_push(&dropped, bare_cap(drop.v[i]));
    bool all = strv_has(&dropped, "ALL") || strv_has(&dropped, "all");
    for (size_t i = 0; !all && i < defaults->len; i++)
        if (!strv_has(&dropped, defaults->v[i]))
            strv_pushf(out, "CAP_%s", defaults->v[i]);
    for (size_t i = 0; i < add.len; i++) {
        cleanup_free char *name = xasprintf("CAP_%s", bare_cap(add.v[i]));
        if (!strv_has(out, name))
            strv_push(out, name);
    }
    if (out->len)
        qsort(out->v, out->len, sizeof *out->v, by_name);
    return 0;
}

static int read_host_config(struct json_object *host, const struct strv *default_caps,
                            struct engine_container *out, struct err *err)
{
    int64_t memory = 0;
    int rc;
    if ((rc = json_opt_i64(host, "Memory", 0, INT64_MAX, &memory, err)) < 0 ||
        (rc = json_opt_i64(host, "NanoCpus", 0, INT64_MAX, &out->nano_cpus, err)) < 0 ||
        (rc = json_opt_i64(host, "PidsLimit", INT64_MIN, INT64_MAX, &out->pids, err)) < 0 ||
        (rc = json_opt_bool(host, "ReadonlyRootfs", &out->read_only, err)) < 0 ||
        (rc = json_opt_bool(host, "Privileged", &out->privileged, err)) < 0 ||
        (rc = get_text(host, "UsernsMode", &out->userns_mode, err)) < 0 ||
        (rc = read_port(host, out, err)) < 0 ||
        (rc = read_caps(host, default_caps, &out->caps, err)) < 0)
        return rc;
    out->memory = (uint64_t)memory;
    cleanup_strv struct strv options = STRV_INIT;
    if ((rc = read_words(host, "SecurityOpt", &options, err)) < 0)
        return rc;
    out->no_new_privileges = strv_has(&options, "no-new-privileges") ||
                             strv_has(&options, "no-new-privileges:true") ||
                             strv_has(&options, "no-new-privileges=true");
    return 0;
}

int rest_read_container(struct json_object *answer, const struct strv *default_caps,
                        struct engine_container *out, struct err *err)
{
    memset(out, 0, sizeof *out);
    out->name = xstrdup("");
    out->error = xstrdup("");
    out->userns_mode = xstrdup("");
    struct json_object *config = NULL, *host = NULL;
    int rc = must_be_object(answer, err);
    if (rc < 0 || (rc = rest_read_id(answer, out->id, err)) < 0 ||
        (rc = get_text(answer, "Name", &out->name, err)) < 0 ||
        (rc = get_field(answer, "Image", out->image_id, sizeof out->image_id, err)) < 0 ||
        (rc = read_state(answer, out, err)) < 0 || (rc = read_address(answer, out, err)) < 0 ||
        (rc = json_opt_object(answer, "Config", &config, err)) < 0 ||
        (rc = json_opt_object(answer, "HostConfig", &host, err)) < 0)
        goto out;
    if (out->name[0] == '/')
        memmove(out->name, out->name + 1, strlen(out->name));
    if (!config || !host)
        rc = err_set(err, ERR_INVALID, "the engine's answer has no Config or HostConfig");
    else if ((rc = rest_read_labels(config, "Labels", &out->labels, err)) == 0)
        rc = read_host_config(host, default_caps, out, err);
out:
    if (rc < 0)
        engine_container_release(out);
    return rc;
}

int rest_read_image(struct json_object *answer, struct engine_image *out, struct err *err)
{
    memset(out, 0, sizeof *out);
    struct json_object *config = NULL;
    int rc = must_be_object(answer, err);
    if (rc == 0)
        rc = get_field(answer, "Id", out->id, sizeof out->id, err);
    if (rc == 0)
        rc = json_opt_object(answer, "Config", &config, err);
    if (rc == 0 && config)
        rc = rest_read_labels(config, "Labels", &out->labels, err);
    if (rc < 0)
        engine_image_release(out);
    return rc;
}

static int read_entry(struct json_object *entry, enum engine_kind kind,
                      struct engine_container *out, struct err *err)
{
    int rc = must_be_object(entry, err);
    if (rc < 0)
        return rc;
    if (kind != ENGINE_CONTAINERS) {
        if ((rc = get_text(entry, "Name", &out->name, err)) < 0)
            return rc;
        return rest_read_labels(entry, "Labels", &out->labels, err);
    }
    cleanup_strv struct strv names = STRV_INIT;
    const char *state = "";
    if ((rc = rest_read_id(entry, out->id, err)) < 0 ||
        (rc = read_words(entry, "Names", &names, err)) < 0 ||
        (rc = json_opt_str(entry, "State", 64, &state, err)) < 0)
        return rc;
    const char *name = names.len ? names.v[0] : out->id;
    out->name = xstrdup(name[0] == '/' ? name + 1 : name);
    out->state = state_of(state);
    return rest_read_labels(entry, "Labels", &out->labels, err);
}

int rest_read_list(struct json_object *answer, enum engine_kind kind, struct engine_list *out,
                   struct err *err)
{
    memset(out, 0, sizeof *out);
    struct json_object *array = answer;
    int rc = 0;
    if (kind == ENGINE_VOLUMES) {
        array = NULL;
        if ((rc = must_be_object(answer, err)) < 0 ||
            (rc = json_opt_array(answer, "Volumes", ENGINE_LIST_MAX, &array, err)) < 0)
            return rc;
        if (!array) /* dockerd: null when there are none */
            return 0;
    }
    if (!json_object_is_type(array, json_type_array))
        return err_set(err, ERR_INVALID, "the engine's list is no JSON array");
    size_t n = json_object_array_length(array);
    if (n > ENGINE_LIST_MAX)
        return err_set(err, ERR_LIMIT, "the engine's list has more than %d entries",
                       ENGINE_LIST_MAX);
    for (size_t i = 0; i < n && rc == 0; i++) {
        VEC_GROW(out->v, out->len, out->cap);
        struct engine_container *c = &out->v[out->len++];
        memset(c, 0, sizeof *c);
        rc = read_entry(json_object_array_get_idx(array, i), kind, c, err);
    }
    if (rc < 0)
        engine_list_release(out);
    return rc;
}
