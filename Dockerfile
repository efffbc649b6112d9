# Sprawl in a container.
#
#   docker build -t sprawl .
#   docker run -p 9092:9092 -p 9644:9644 -v sprawl-data:/data sprawl
#
# Clients are told to connect to localhost:9092, which is right for clients on the host. Clients in
# other containers need the address by which THEY reach this one; give both, a port for each:
#
#   docker run --name sprawl --network apps -p 9092:9092 \
#     -e SPRAWL_LISTENERS=HOST://0.0.0.0:9092,APPS://0.0.0.0:19092 \
#     -e SPRAWL_ADVERTISED_LISTENERS=HOST://localhost:9092,APPS://sprawl:19092 \
#     -e SPRAWL_LISTENER_SECURITY_PROTOCOL_MAP=HOST:PLAINTEXT,APPS:PLAINTEXT sprawl
#
# The KAFKA_* variables of Apache Kafka's own image work as well. `sprawl doctor -b HOST:PORT`, run
# where the client runs, says whether the advertised address can be reached.

FROM python:3.12-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN python -m venv /opt/sprawl \
    && /opt/sprawl/bin/pip install --no-cache-dir --disable-pip-version-check .

FROM python:3.12-slim-bookworm
RUN groupadd --system --gid 10001 sprawl \
    && useradd --system --uid 10001 --gid 10001 --create-home sprawl \
    && install -d -o sprawl -g sprawl /data \
    && install -d /etc/sprawl \
    && printf '%s\n' 'data = "/data"' 'host = "0.0.0.0"' 'advertised.host = "localhost"' \
       > /etc/sprawl/sprawl.toml
COPY --from=build /opt/sprawl /opt/sprawl
# The image's defaults are a settings file, so that every variable given to the container wins.
ENV PATH=/opt/sprawl/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SPRAWL_CONFIG=/etc/sprawl/sprawl.toml
# By number: orchestrators that insist on a user other than root cannot look names up.
USER 10001:10001
WORKDIR /home/sprawl
VOLUME ["/data"]
EXPOSE 9092 9644
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
    CMD ["python", "-c", "import http.client,os,sys; c=http.client.HTTPConnection('127.0.0.1',int(os.environ.get('SPRAWL_HTTP_PORT','9644')),timeout=2); c.request('GET','/health'); sys.exit(c.getresponse().status!=200)"]
ENTRYPOINT ["sprawl"]
CMD ["serve"]
