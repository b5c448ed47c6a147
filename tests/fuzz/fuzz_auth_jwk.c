/* Key sets as an identity provider may send them: whatever is taken can be used to verify. */
#include <string.h>

#include "auth/jwk.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    cleanup_json struct json_object *doc = NULL;
    cleanup_jwk_set struct jwk_set *set = NULL;
    static const unsigned char signature[256] = {1, 2, 3};
    if (json_parse((const char *)data, size, &doc, NULL) || jwk_set_parse(doc, &set, NULL))
        return 0;
    if (jwk_set_size(set) > JWK_KEYS_MAX)
        __builtin_trap();
    /* Nobody signed this. */
    if (jwk_set_verify(set, JWK_RS256, NULL, data, size, signature, 256, NULL) == 0 ||
        jwk_set_verify(set, JWK_ES256, NULL, data, size, signature, 64, NULL) == 0 ||
        jwk_set_verify(set, JWK_ES256, "k", data, size, signature, 1, NULL) == 0)
        __builtin_trap();
    return 0;
}
