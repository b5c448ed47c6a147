/*
 * What an engine answers: error bodies, inspect, image and list answers, multiplexed output. The
 * first byte chooses the reader, the rest is the text.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "engine/errors.h"
#include "engine/mux.h"
#include "engine/rest/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_error(const char *text, size_t n)
{
    static const long statuses[] = {400, 404, 409, 500};
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        struct err err = ERR_INIT;
        BUG_ON(engine_error(statuses[i], text, n, "try", &err) >= 0);
        BUG_ON(!str_is_utf8(err.msg, strlen(err.msg)));
    }
}

static void read_json(int what, const char *text, size_t n)
{
    cleanup_json struct json_object *obj = NULL;
    if (json_parse(text, n, &obj, NULL) < 0)
        return;
    cleanup_strv struct strv caps = STRV_INIT;
    strv_pushl(&caps, "CHOWN", "KILL", NULL);
    cleanup_engine_container struct engine_container c = {0};
    cleanup_engine_image struct engine_image image = {0};
    cleanup_engine_list struct engine_list list = {0};
    char id[ENGINE_ID_MAX + 1];
    struct err err = ERR_INIT;
    int rc = 0;
    switch (what) {
    case 0:
        rc = rest_read_container(obj, &caps, &c, &err);
        BUG_ON(rc == 0 && (!c.name || !c.error || !c.userns_mode));
        break;
    case 1:
        rc = rest_read_image(obj, &image, &err);
        break;
    case 2:
        rc = rest_read_id(obj, id, &err);
        break;
    default:
        rc = rest_read_list(obj, (enum engine_kind)(what - 3), &list, &err);
        break;
    }
    BUG_ON(rc < 0 && err.code != rc);
}

static int count(enum engine_stream stream, const char *p, size_t n, void *payload, struct err *err)
{
    (void)stream;
    (void)p;
    (void)err;
    *(size_t *)payload += n;
    return 0;
}

/* The same bytes in one piece and in single ones give the same. */
static void read_mux(const char *text, size_t n)
{
    struct engine_mux whole = {0}, pieces = {0};
    size_t a = 0, b = 0;
    int rc = engine_mux_feed(&whole, text, n, count, &a, NULL), one = 0;
    for (size_t i = 0; i < n && one == 0; i++)
        one = engine_mux_feed(&pieces, text + i, 1, count, &b, NULL);
    BUG_ON(rc != one || a != b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    const char *text = (const char *)data + 1;
    switch (data[0] % 8) {
    case 0:
        read_error(text, size - 1);
        break;
    case 1:
        read_mux(text, size - 1);
        break;
    default:
        read_json(data[0] % 8 - 2, text, size - 1);
        break;
    }
    return 0;
}
