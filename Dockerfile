# The gateway, the sandboxes and the command line as an image: `make image`
# builds the static binary into dist/ and then this. Nothing else is in it.
#
#   docker run -p 8080:8080 -v failwell:/data failwell serve --contract problem --upstream http://host:3000
#   docker run -p 4010:4010 failwell sandbox heppu --listen 0.0.0.0:4010
FROM scratch
COPY dist/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --chown=65532:65532 dist/data /data
COPY dist/failwell /failwell
USER 65532:65532
ENV HOME=/data FAILWELL_LISTEN=0.0.0.0:8080 FAILWELL_STORE=pebble:/data/store
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["/failwell"]
