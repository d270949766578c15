/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/objects.h"

#include <errno.h>
#include <stdlib.h>

enum { BUCKETS_MIN = 64 };

/* Chained in two tables; a new node goes first, so the youngest of a digest is found first. */
struct node {
    struct aro_object object;
    struct node *next_by_id;
    struct node *next_by_digest;
};

struct aro_objects {
    struct node **order;
    uint64_t count;
    uint64_t room;
    struct node **by_id;
    struct node **by_digest;
    uint64_t buckets; /* a power of two, at least count */
};

struct aro_objects *aro_objects_create(void)
{
    struct aro_objects *objects = calloc(1, sizeof(*objects));

    if (objects == NULL)
        return NULL;
    objects->buckets = BUCKETS_MIN;
    objects->by_id = calloc(BUCKETS_MIN, sizeof(struct node *));
    objects->by_digest = calloc(BUCKETS_MIN, sizeof(struct node *));
    if (objects->by_id == NULL || objects->by_digest == NULL) {
        aro_objects_destroy(objects);
        return NULL;
    }
    return objects;
}

void aro_objects_destroy(struct aro_objects *objects)
{
    if (objects == NULL)
        return;
    for (uint64_t i = 0; i < objects->count; i++)
        free(objects->order[i]);
    free(objects->order);
    free(objects->by_id);
    free(objects->by_digest);
    free(objects);
}

/* Ids and digests are SHA-256: any of their bits will do, and only the operator adds objects. */
static struct node **bucket_of(struct node **table, uint64_t buckets, const struct aro_id *key)
{
    return &table[key->word[1] & (buckets - 1)];
}

static void link_node(struct aro_objects *objects, struct node *node)
{
    struct node **id = bucket_of(objects->by_id, objects->buckets, &node->object.id);
    struct node **digest = bucket_of(objects->by_digest, objects->buckets, &node->object.digest);

    node->next_by_id = *id;
    *id = node;
    node->next_by_digest = *digest;
    *digest = node;
}

static void unlink_node(struct aro_objects *objects, struct node *node)
{
    struct node **id = bucket_of(objects->by_id, objects->buckets, &node->object.id);
    struct node **digest = bucket_of(objects->by_digest, objects->buckets, &node->object.digest);

    while (*id != node)
        id = &(*id)->next_by_id;
    *id = node->next_by_id;
    while (*digest != node)
        digest = &(*digest)->next_by_digest;
    *digest = node->next_by_digest;
}

/* Room for one more in the order and in the tables. */
static int grow(struct aro_objects *objects)
{
    uint64_t buckets = objects->buckets * 2;
    struct node **order, **by_id, **by_digest;

    if (objects->count < objects->room)
        return 0;
    order = realloc(objects->order, buckets * sizeof(*order));
    if (order == NULL)
        return -ENOMEM;
    objects->order = order;
    by_id = calloc(buckets, sizeof(*by_id));
    by_digest = calloc(buckets, sizeof(*by_digest));
    if (by_id == NULL || by_digest == NULL) {
        free(by_id);
        free(by_digest);
        return -ENOMEM;
    }
    free(objects->by_id);
    free(objects->by_digest);
    objects->by_id = by_id;
    objects->by_digest = by_digest;
    objects->buckets = objects->room = buckets;
    for (uint64_t i = 0; i < objects->count; i++)
        link_node(objects, objects->order[i]);
    return 0;
}

static struct node *find(const struct aro_objects *objects, const struct aro_id *id)
{
    struct node *node = *bucket_of(objects->by_id, objects->buckets, id);

    while (node != NULL && !aro_id_equal(&node->object.id, id))
        node = node->next_by_id;
    return node;
}

int aro_objects_put(struct aro_objects *objects, const struct aro_object *object)
{
    struct node *node = find(objects, &object->id);
    int error;

    if (node != NULL) {
        unlink_node(objects, node);
        node->object = *object;
        link_node(objects, node);
        return 0;
    }
    error = grow(objects);
    if (error != 0)
        return error;
    node = calloc(1, sizeof(*node));
    if (node == NULL)
        return -ENOMEM;
    node->object = *object;
    link_node(objects, node);
    objects->order[objects->count++] = node;
    return 0;
}

int aro_objects_remove(struct aro_objects *objects, const struct aro_id *id)
{
    struct node *node = find(objects, id);
    uint64_t i = 0;

    if (node == NULL)
        return -ENOENT;
    unlink_node(objects, node);
    while (objects->order[i] != node)
        i++;
    objects->count--;
    memmove(&objects->order[i], &objects->order[i + 1],
            (objects->count - i) * sizeof(struct node *));
    free(node);
    return 0;
}

const struct aro_object *aro_objects_by_id(const struct aro_objects *objects,
                                           const struct aro_id *id)
{
    const struct node *node = find(objects, id);

    return node == NULL ? NULL : &node->object;
}

const struct aro_object *aro_objects_by_digest(const struct aro_objects *objects,
                                               const struct aro_id *digest)
{
    const struct node *node = *bucket_of(objects->by_digest, objects->buckets, digest);

    while (node != NULL && !aro_id_equal(&node->object.digest, digest))
        node = node->next_by_digest;
    return node == NULL ? NULL : &node->object;
}

const struct aro_object *aro_objects_at(const struct aro_objects *objects, uint64_t i)
{
    return i < objects->count ? &objects->order[i]->object : NULL;
}

uint64_t aro_objects_count(const struct aro_objects *objects)
{
    return objects->count;
}
