#include "sync/config_text.h"

void config_add_quoted(struct str *out, const char *value)
{
    str_addc(out, '"');
    for (const char *c = value; *c; c++) {
        if (*c == '"' || *c == '\\')
            str_addc(out, '\\');
        if ((unsigned char)*c >= 0x20)
            str_addc(out, *c);
    }
    str_addc(out, '"');
}
