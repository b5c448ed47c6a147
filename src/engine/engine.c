#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>

void engine_image_release(struct engine_image *image)
{
    strv_release(&image->labels);
}

void engine_container_release(struct engine_container *c)
{
    free(c->name);
    free(c->error);
    free(c->userns_mode);
    strv_release(&c->labels);
    strv_release(&c->caps);
    memset(c, 0, sizeof *c);
}

void engine_list_release(struct engine_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        engine_container_release(&list->v[i]);
    free(list->v);
    memset(list, 0, sizeof *list);
}

void engine_free(struct engine *engine)
{
    if (engine->ops)
        engine->ops->free(engine->self);
    engine->ops = NULL;
    engine->self = NULL;
}

const char *engine_label(const struct strv *labels, const char *key)
{
    size_t n = strlen(key);
    for (size_t i = 0; i < labels->len; i++)
        if (strncmp(labels->v[i], key, n) == 0 && labels->v[i][n] == '=')
            return labels->v[i] + n + 1;
    return NULL;
}
