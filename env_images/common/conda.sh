# MLGym's runner says `conda activate mlgym_generic`; this image has one environment, which is always active.
conda() {
  case "$1" in
    activate | deactivate) return 0 ;;
    env | info) echo "base                  *  /opt/runtime" ;;
    *) echo "conda: this image has one Python environment and no conda" >&2; return 1 ;;
  esac
}
