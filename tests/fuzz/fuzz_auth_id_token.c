/* ID tokens and key sets as an identity provider may send them: two halves, parted by a NUL. */
#include <string.h>

#include "auth/id_token.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const char *text = (const char *)data;
    const char *nul = memchr(text, 0, size);
    struct json_object *doc = NULL;
    struct jwk_set *set = NULL;
    if (!nul || json_parse(text, (size_t)(nul - text), &doc, NULL))
        return 0;
    if (jwk_set_parse(doc, &set, NULL) == 0) {
        const struct id_token_rules rules = {"https://id.example.org", "c", NULL, 1700000000};
        struct json_object *claims = NULL;
        id_token_verify(nul + 1, size - (size_t)(nul + 1 - text), set, &rules, &claims, NULL);
        json_object_put(claims);
        jwk_set_free(set);
    }
    json_object_put(doc);
    return 0;
}
