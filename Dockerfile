# One image for the web app (EXTRAS=web) and, with EXTRAS=web,train, for the trainers.
FROM python:3.12-slim-trixie

ARG EXTRAS=web
# Where PyTorch's CPU build comes from; the trainers' image for a GPU leaves it empty.
ARG TORCH_CPU_INDEX=
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1

# pg_dump, pg_restore and psql of the version that docker-compose.yml runs, for `prefloop db backup`.
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-client-17 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /src
COPY tools/install_torch.py tools/
RUN case ",$EXTRAS," in (*,train,*) TORCH_CPU_INDEX="$TORCH_CPU_INDEX" python tools/install_torch.py;; esac
COPY . .
RUN pip install -c constraints.txt ".[$EXTRAS]"

RUN useradd --create-home --uid 1000 prefloop && install -d -o prefloop /data
USER prefloop
WORKDIR /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["prefloop", "serve", "--host", "0.0.0.0", "--port", "8000"]
