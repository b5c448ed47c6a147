/* The forge tokens file: what is found is one token of its line, without white space or control
 * bytes. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "keeper/request.h"
#include "keeper/secrets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_str struct str out = STR_INIT;
    struct err err = ERR_INIT;
    int rc = secrets_find_token((const char *)data, size, "forge.example", &out, &err);
    BUG_ON(rc == 0 && (out.len == 0 || out.len > KEEPER_SECRET_MAX));
    BUG_ON(rc != 0 && rc != ERR_NOT_FOUND && rc != ERR_INVALID);
    for (size_t i = 0; rc == 0 && i < out.len; i++)
        BUG_ON((unsigned char)out.p[i] <= 0x20 || (unsigned char)out.p[i] > 0x7e);
    return 0;
}
