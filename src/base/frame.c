#include "base/frame.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/fd.h"

static uint32_t get_u32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return ntohl(v);
}

static int check_header(uint32_t length, char kind, struct err *err)
{
    if (length < 5 || length > FRAME_MAX)
        return err_set(err, ERR_INVALID, "frame of %u bytes", length);
    if (kind != 'J' && kind != 'D' && kind != 'E')
        return err_set(err, ERR_INVALID, "frame of an unknown kind");
    if (kind == 'E' && length != 5)
        return err_set(err, ERR_INVALID, "end frame with a payload");
    return 0;
}

long frame_decode(const char *buf, size_t len, struct frame *out, struct err *err)
{
    if (len < 5)
        return 0;
    uint32_t length = get_u32(buf);
    int rc = check_header(length, buf[4], err);
    if (rc)
        return rc;
    if (len < (size_t)length + 4)
        return 0;
    out->kind = buf[4];
    out->id = get_u32(buf + 5);
    out->payload = buf + FRAME_HEADER;
    out->len = length - 5;
    return (long)length + 4;
}

static void put_header(char head[FRAME_HEADER], char kind, uint32_t id, size_t len)
{
    BUG_ON(len > FRAME_MAX - 5);
    uint32_t length = htonl((uint32_t)len + 5), net_id = htonl(id);
    memcpy(head, &length, 4);
    head[4] = kind;
    memcpy(head + 5, &net_id, 4);
}

void frame_encode(struct str *out, char kind, uint32_t id, const void *payload, size_t len)
{
    char head[FRAME_HEADER];
    put_header(head, kind, id, len);
    str_add(out, head, sizeof head);
    str_add(out, payload, len);
}

void frame_encode_json(struct str *out, uint32_t id, struct json_object *obj)
{
    cleanup_str struct str text = STR_INIT;
    json_print(obj, &text);
    frame_encode(out, 'J', id, text.p, text.len);
}

int frame_write(int fd, char kind, uint32_t id, const void *payload, size_t len, struct err *err)
{
    if (len > FRAME_MAX - 5)
        return err_set(err, ERR_LIMIT, "message of %zu bytes", len);
    cleanup_str struct str out = STR_INIT;
    frame_encode(&out, kind, id, payload, len);
    return fd_write_full(fd, out.p, out.len, err);
}

int frame_write_json(int fd, uint32_t id, struct json_object *obj, struct err *err)
{
    cleanup_str struct str text = STR_INIT;
    json_print(obj, &text);
    return frame_write(fd, 'J', id, text.p, text.len, err);
}

int frame_read(int fd, char *kind, uint32_t *id, struct str *payload, struct err *err)
{
    char head[FRAME_HEADER];
    int rc = fd_read_full(fd, head, sizeof head, err);
    if (rc)
        return rc;
    uint32_t length = get_u32(head);
    if ((rc = check_header(length, head[4], err)))
        return rc;
    *kind = head[4];
    *id = get_u32(head + 5);
    str_clear(payload);
    if ((rc = fd_read_full(fd, str_reserve(payload, length - 5), length - 5, err)))
        return rc;
    str_grew(payload, length - 5);
    return 0;
}

int frame_read_json(int fd, uint32_t *id, struct json_object **out, struct err *err)
{
    cleanup_str struct str payload = STR_INIT;
    char kind;
    int rc = frame_read(fd, &kind, id, &payload, err);
    if (rc)
        return rc;
    if (kind != 'J')
        return err_set(err, ERR_INVALID, "data where a message was expected");
    if ((rc = json_parse(payload.p, payload.len, out, err)))
        return rc;
    if (!json_object_is_type(*out, json_type_object)) {
        json_object_put(*out);
        *out = NULL;
        return err_set(err, ERR_INVALID, "a message must be a JSON object");
    }
    return 0;
}

struct json_object *frame_error_reply(const struct err *err)
{
    struct json_object *reply = json_object_new_object();
    json_add_bool(reply, "ok", false);
    json_add_str(reply, "error", err_word(err->code));
    json_add_str(reply, "detail", err->msg);
    return reply;
}

int frame_reply_check(struct json_object *reply, struct err *err)
{
    bool ok = false;
    int rc = json_opt_bool(reply, "ok", &ok, err);
    if (rc || ok)
        return rc;
    const char *word = "failed", *detail = "no reason given";
    if ((rc = json_opt_str(reply, "error", 64, &word, err)) ||
        (rc = json_opt_str(reply, "detail", ERR_MSG_MAX, &detail, err)))
        return rc;
    int code = err_code_of_word(word);
    return err_set(err, code < 0 ? code : ERR_FAILED, "%s", detail);
}
