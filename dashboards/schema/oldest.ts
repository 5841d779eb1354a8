// Grafana 10.0.0. Its package has the parts of panels' options, not the whole.
import * as s from "oldest";
interface Stat extends s.SingleStatBaseOptions { colorMode: s.BigValueColorMode; graphMode: s.BigValueGraphMode; justifyMode: s.BigValueJustifyMode; textMode: s.BigValueTextMode }
interface Timeseries extends s.OptionsWithLegend, s.OptionsWithTooltip {}
interface Table { frameIndex: number; showHeader: boolean; cellHeight?: s.TableCellHeight; sortBy?: s.TableSortByFieldState[] }
export interface Root {
  dashboard: s.Dashboard; panel: s.Panel; link: s.DashboardLink;
  stat: Stat; timeseries: Timeseries; table: Table; layer: s.MapLayerOptions;
  timeseriesCustom: s.GraphFieldConfig; tableCustom: s.TableFieldOptions; geomapCustom: s.HideableFieldConfig;
}
