/* What a forge answers about people: a byte for what was asked, then the body, or a header's value.
 */
#include <string.h>

#include "base/url.h"
#include "forge/forge.h"

static void read_link(const char *text, size_t len)
{
    cleanup_str struct str next = STR_INIT;
    cleanup_str struct str url = STR_INIT;
    if (!forge_read_next(text, len, &next))
        return;
    if (forge_resolve("https://h:8443/a?b", next.p, &url, NULL) == 0) {
        cleanup_url struct url parsed = {0};
        if (url_parse(url.p, url.len, &parsed, NULL))
            __builtin_trap();
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    cleanup_strv struct strv keys = STRV_INIT;
    cleanup_forge_people struct forge_people people = {0};
    struct forge_person person = {0};
    if (size < 1)
        return 0;
    const char *text = (const char *)data + 1;
    size_t len = size - 1;
    enum forge_kind kind = data[0] & 1 ? FORGE_GITLAB : FORGE_GITHUB;
    switch (data[0] >> 1 & 7) {
    case 0:
        forge_read_people(kind, text, len, &people, NULL);
        break;
    case 1:
        forge_read_key_list(text, len, &keys, NULL);
        break;
    case 2:
        forge_read_keys(text, len, &keys);
        break;
    case 3:
        forge_read_user(kind, text, len, &person, NULL);
        break;
    case 4:
        forge_read_found(kind, text, len, &person, NULL);
        break;
    default:
        read_link(text, len);
    }
    for (size_t i = 0; i < keys.len; i++)
        if (strpbrk(keys.v[i], "\r\n\"") || keys.len > FORGE_KEYS_MAX)
            __builtin_trap();
    forge_person_release(&person);
    return 0;
}
