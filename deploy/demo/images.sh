#!/usr/bin/env bash
# shellcheck disable=SC2154,SC2013
# Builds the demo's images from scratch, nothing but a static busybox and one script, and pushes them. Sourced by run.sh.

# push_image REPOSITORY TAG: a tag that ends in -broken never becomes healthy.
push_image() {
    local name=$1:$2 broken=0
    [[ $2 == *-broken ]] && broken=1
    tar -C "$demo/rootfs" --owner=0 --group=0 -c . | docker import \
        --change 'ENTRYPOINT ["/bin/sh", "/app/serve.sh"]' --change 'ENV PATH=/bin' --change 'EXPOSE 8080' \
        --change "ENV APP=${1##*/}" --change "ENV TAG=$2" --change "ENV BROKEN=$broken" - "$name" >/dev/null
    docker push "$name" >/dev/null
    # so that the controller has to pull it, as it would anywhere
    docker rmi "$name" >/dev/null 2>&1 || true
    echo "  $name"
}

push_images() {
    local applet repository tag
    rm -rf "$demo/rootfs"
    mkdir -p "$demo/rootfs"/{bin,app,tmp,data}
    chmod 1777 "$demo/rootfs/tmp" "$demo/rootfs/data"
    cp "$(command -v busybox)" "$demo/rootfs/bin/busybox"
    for applet in sh httpd hostname mkdir echo kill sleep cat env ls id true false; do
        ln -s busybox "$demo/rootfs/bin/$applet"
    done
    cp deploy/demo/app/serve.sh "$demo/rootfs/app/"
    for repository in $(grep -ohE "127\.0\.0\.1:$registry_port/[a-z0-9/_.-]+" "$demo"/desired/*.yaml | sort -u); do
        for tag in 1.0.0 1.1.0 1.2.0 1.3.0 1.4.0-broken; do
            push_image "$repository" "$tag"
        done
    done
    rm -rf "$demo/rootfs"
}
